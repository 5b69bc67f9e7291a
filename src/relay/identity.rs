//! The key that a relay knows us by. It signs request bodies, holds no funds and is no operator.

use super::{KeyError, Operators};
use alloy::{
    primitives::{Address, hex, keccak256},
    signers::Signer,
};
use std::{fmt, sync::Arc};

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "X-Flashbots-Signature";

/// Our identity at relays: reputation and refunds belong to it.
#[derive(Clone)]
pub struct Identity(Arc<dyn Signer + Send + Sync>);

impl Identity {
    /// Holds the key, unless it is one of the operators'.
    pub fn new(signer: impl Signer + Send + Sync + 'static, operators: &Operators) -> Result<Self, KeyError> {
        let address = signer.address();
        if operators.addresses().contains(&address) {
            return Err(KeyError::IdentityIsOperator(address));
        }
        Ok(Self(Arc::new(signer)))
    }

    /// The account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// The header's value for these exact bytes: an EIP-191 signature over the hex *text* of their hash, not over the hash.
    pub async fn header(&self, body: &[u8]) -> Result<String, alloy::signers::Error> {
        let text = hex::encode_prefixed(keccak256(body));
        let signature = self.0.sign_message(text.as_bytes()).await?;
        Ok(format!("{}:{}", self.address(), hex::encode_prefixed(signature.as_bytes())))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.address()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::{OperatorKey, key_from_hex};
    use alloy::{
        primitives::{U256, eip191_hash_message},
        providers::ext::verify_flashbots_signature,
    };

    const TX1: &str = "0x02f86b0180843b9aca008506fc23ac0082520894000000000000000000000000000000000000dead8080c080a026ba040e3d151adb950d1ed76e9e55db5040d73f9254ec7238216ec49ad0d64aa06f046ffc32faefa827a2548d39ce06d5a043b70f36b1979a08a7729cf0253e3e";
    const TX2: &str = "0x02f86b0101843b9aca008506fc23ac0082520894000000000000000000000000000000000000beef8080c080a003cbbd1e5511286a0e8d1e411ffbfccde6b532ff29f8d82db79ae915cfbc80bfa06dc71ce2c2c363bf5d16cbf8a23e00331aac40ff0afac673be8d1ebb00fe04ed";

    fn operators() -> Operators {
        Operators::new(vec![OperatorKey::from(key_from_hex(&format!("{:064x}", 2)).unwrap())], U256::ZERO).unwrap()
    }

    fn identity(key: u64) -> Identity {
        Identity::new(key_from_hex(&format!("{key:064x}")).unwrap(), &operators()).unwrap()
    }

    #[tokio::test]
    async fn the_vectors_byte_for_byte() {
        let body_a = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_sendBundle","params":[{{"txs":["{TX1}","{TX2}"],"blockNumber":"0x1312d00"}}]}}"#);
        let vectors = [
            (
                body_a.as_str(),
                "0x3711916a7abf789923533446957c47b8f629f38490e80c4b87d7eed1799fdae1607c3d50e02e91041dc0a5433c36de5d1cf4bed7f2ed15a4f628b64a7978278e1b",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"flashbots_getUserStatsV2","params":[{"blockNumber":"0x1312d00"}]}"#,
                "0x4c8a0e0ba7f381b8d3875c8f2dd3cec4a4a7d574cb358319ca32df83bc202e7646dba0ad6f9d3a6c8fe0f2fee1295f96d5c1b1ba3ca3a86341b93f91153a4b561b",
            ),
            ("{}", "0xa7fa6371c68f538dc632e51a295bb938e8f384647b7545c3680d1d722eff7b1d35e0558353a57909e437138d51212d58a3cfe6fcee2bf407cd4e61d1e0d731ff1c"),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"eth_cancelBundle","params":[{"replacementUuid":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}]}"#,
                "0x09386437887a5cf09c730470e31f8921dc912f1572dfa6472e09f84ccd52237006feeb874e19f6b9032a11197b7a57fd166abf04fba11acefd5329d261844eec1b",
            ),
        ];
        for (body, signature) in vectors {
            let header = identity(1).header(body.as_bytes()).await.unwrap();
            assert_eq!(header, format!("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf:{signature}"), "{body}");
            assert_eq!(verify_flashbots_signature(&header, body.as_bytes()).unwrap(), identity(1).address());
        }
    }

    #[tokio::test]
    async fn the_raw_hash_is_not_what_is_signed() {
        let wrong = "0xf090fdef8f5d52e9560d39ba3604cd1e29a1aa15503bcf089443acc7fb227ff22047ce5830701ea031d740ca99d33cb9fc1e32e5a92381af426dabe8719a43d41c";
        let header = identity(1).header(b"{}").await.unwrap();
        assert!(!header.ends_with(wrong));
        assert!(verify_flashbots_signature(&format!("{}:{wrong}", identity(1).address()), b"{}").is_err());
        // The wrong one is indeed the signature over the bytes, so it is this mistake that the vector catches.
        let signature = alloy::primitives::Signature::from_raw(&hex::decode(wrong).unwrap()).unwrap();
        let signer = signature.recover_address_from_prehash(&eip191_hash_message(keccak256(b"{}"))).unwrap();
        assert_eq!(signer, identity(1).address());
    }

    #[tokio::test]
    async fn alloys_vector_with_the_other_recovery_byte() {
        let header = identity(0x12_3456).header(b"sign this message").await.unwrap();
        assert_eq!(
            header,
            "0xd5F5175D014F28c85F7D67A111C2c9335D7CD771:0x983dc7c520db0d287faff3cd0aef81d5a7f4ffd3473440d3f705da16299724271f660b6fe367f455b205bc014eff3e20defd011f92000f94d39365ca0bc786721b"
        );
    }

    #[test]
    fn an_operator_is_no_identity() {
        let key = key_from_hex(&format!("{:064x}", 2)).unwrap();
        assert!(matches!(Identity::new(key, &operators()), Err(KeyError::IdentityIsOperator(_))));
    }
}

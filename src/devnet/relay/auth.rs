//! Who sent a request: the `X-Flashbots-Signature` header over the exact bytes of the body.

use alloy::{
    primitives::{Address, hex},
    providers::ext::{FlashbotsSignatureError, verify_flashbots_signature},
};

/// The header's name.
pub const HEADER: &str = "x-flashbots-signature";

/// Why a header does not prove who sent the body.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// There is none.
    #[error("missing signature: the header X-Flashbots-Signature is required")]
    Missing,
    /// It is not `address:signature` with 65 bytes of signature and a recovery byte of 0, 1, 27 or 28.
    #[error("malformed signature header: {0}")]
    Malformed(&'static str),
    /// It is well formed, but not the address's signature over this body.
    #[error("invalid signature: {0}")]
    Invalid(#[from] FlashbotsSignatureError),
}

/// The address that signed `body`, if the header proves it.
pub fn verify(header: Option<&str>, body: &[u8]) -> Result<Address, AuthError> {
    let header = header.ok_or(AuthError::Missing)?;
    let (_, signature) = header.split_once(':').ok_or(AuthError::Malformed("no colon between address and signature"))?;
    let bytes = signature.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok()).ok_or(AuthError::Malformed("the signature is not 0x-hex"))?;
    if bytes.len() != 65 {
        return Err(AuthError::Malformed("the signature is not 65 bytes"));
    }
    if !matches!(bytes.last(), Some(0 | 1 | 27 | 28)) {
        return Err(AuthError::Malformed("the recovery byte is none of 0, 1, 27, 28"));
    }
    Ok(verify_flashbots_signature(header, body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::address;

    const SIGNER: Address = address!("7E5F4552091A69125d5DfCb7b8C2659029395Bdf");
    const TX1: &str = "0x02f86b0180843b9aca008506fc23ac0082520894000000000000000000000000000000000000dead8080c080a026ba040e3d151adb950d1ed76e9e55db5040d73f9254ec7238216ec49ad0d64aa06f046ffc32faefa827a2548d39ce06d5a043b70f36b1979a08a7729cf0253e3e";
    const TX2: &str = "0x02f86b0101843b9aca008506fc23ac0082520894000000000000000000000000000000000000beef8080c080a003cbbd1e5511286a0e8d1e411ffbfccde6b532ff29f8d82db79ae915cfbc80bfa06dc71ce2c2c363bf5d16cbf8a23e00331aac40ff0afac673be8d1ebb00fe04ed";
    const SIG_A: &str = "0x3711916a7abf789923533446957c47b8f629f38490e80c4b87d7eed1799fdae1607c3d50e02e91041dc0a5433c36de5d1cf4bed7f2ed15a4f628b64a7978278e1b";
    const SIG_B: &str = "0x4c8a0e0ba7f381b8d3875c8f2dd3cec4a4a7d574cb358319ca32df83bc202e7646dba0ad6f9d3a6c8fe0f2fee1295f96d5c1b1ba3ca3a86341b93f91153a4b561b";
    const SIG_C: &str = "0xa7fa6371c68f538dc632e51a295bb938e8f384647b7545c3680d1d722eff7b1d35e0558353a57909e437138d51212d58a3cfe6fcee2bf407cd4e61d1e0d731ff1c";
    const SIG_D: &str = "0x09386437887a5cf09c730470e31f8921dc912f1572dfa6472e09f84ccd52237006feeb874e19f6b9032a11197b7a57fd166abf04fba11acefd5329d261844eec1b";
    const OVER_RAW_BYTES: &str =
        "0xf090fdef8f5d52e9560d39ba3604cd1e29a1aa15503bcf089443acc7fb227ff22047ce5830701ea031d740ca99d33cb9fc1e32e5a92381af426dabe8719a43d41c";

    fn vectors() -> Vec<(String, &'static str)> {
        vec![
            (format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_sendBundle","params":[{{"txs":["{TX1}","{TX2}"],"blockNumber":"0x1312d00"}}]}}"#), SIG_A),
            (r#"{"jsonrpc":"2.0","id":1,"method":"flashbots_getUserStatsV2","params":[{"blockNumber":"0x1312d00"}]}"#.to_owned(), SIG_B),
            ("{}".to_owned(), SIG_C),
            (r#"{"jsonrpc":"2.0","id":1,"method":"eth_cancelBundle","params":[{"replacementUuid":"3f2504e0-4f89-41d3-9a0c-0305e82c3301"}]}"#.to_owned(), SIG_D),
        ]
    }

    #[test]
    fn published_vectors_are_accepted_with_either_recovery_byte() {
        for (body, signature) in vectors() {
            for address in [SIGNER.to_string(), SIGNER.to_string().to_lowercase()] {
                assert_eq!(verify(Some(&format!("{address}:{signature}")), body.as_bytes()).unwrap(), SIGNER);
                let (r_and_s, v) = signature.split_at(130);
                let v = u8::from_str_radix(v, 16).unwrap() - 27;
                let other = format!("{address}:{r_and_s}{v:02x}");
                assert_eq!(verify(Some(&other), body.as_bytes()).unwrap(), SIGNER);
            }
        }
    }

    #[test]
    fn a_vector_of_another_implementation_is_accepted() {
        let header = "0xd5F5175D014F28c85F7D67A111C2c9335D7CD771:0x983dc7c520db0d287faff3cd0aef81d5a7f4ffd3473440d3f705da16299724271f660b6fe367f455b205bc014eff3e20defd011f92000f94d39365ca0bc7867200";
        assert!(verify(Some(header), b"sign this message").is_ok());
    }

    #[test]
    fn everything_else_is_refused() {
        let body = b"{}";
        assert!(matches!(verify(None, body), Err(AuthError::Missing)));
        assert!(matches!(verify(Some("nonsense"), body), Err(AuthError::Malformed(_))));
        assert!(matches!(verify(Some(&format!("{SIGNER}:0x00")), body), Err(AuthError::Malformed(_))));
        assert!(matches!(verify(Some(&format!("{SIGNER}:{}25", SIG_C.split_at(130).0)), body), Err(AuthError::Malformed(_))));
        assert!(matches!(verify(Some(&format!("{SIGNER}:{OVER_RAW_BYTES}")), body), Err(AuthError::Invalid(_))));
        assert!(matches!(verify(Some(&format!("{SIGNER}:{SIG_C}")), b"{} "), Err(AuthError::Invalid(_))));
        let other = address!("2B5AD5c4795c026514f8317c7a215E218DcCD6cF");
        assert!(matches!(verify(Some(&format!("{other}:{SIG_C}")), body), Err(AuthError::Invalid(_))));
    }
}

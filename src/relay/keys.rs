//! Where operator keys come from. Keys are held, never shown: no error, log or debug text carries one.

use super::TransactionError;
use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    network::TxSigner,
    primitives::{Address, B256, Signature, hex},
    signers::{
        Signer,
        local::{LocalSignerError, PrivateKeySigner},
    },
};
use std::{fmt, path::Path, sync::Arc};

/// Why a key is unusable. No variant carries the key or a part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is not 32 bytes of hex.
    #[error("the key is not 32 bytes of hex")]
    NotHex,
    /// The 32 bytes are no valid scalar of the curve.
    #[error("the key is zero or not below the order of the curve")]
    NotAScalar,
    /// The keystore file could not be opened with the password.
    #[error("the keystore could not be decrypted")]
    Keystore(#[source] LocalSignerError),
    /// The same key twice among the operators.
    #[error("operator {0} is listed twice")]
    Duplicate(Address),
    /// The relay identity is one of the operators.
    #[error("the relay identity {0} is an operator's key; it must be a key without funds")]
    IdentityIsOperator(Address),
}

/// A private key from hex text, with or without `0x`, white space around it allowed.
pub fn key_from_hex(secret: &str) -> Result<PrivateKeySigner, KeyError> {
    let mut bytes = B256::ZERO;
    hex::decode_to_slice(secret.trim(), bytes.as_mut_slice()).map_err(|_| KeyError::NotHex)?;
    // The source errors are dropped on purpose: a hex error quotes the character that it met.
    PrivateKeySigner::from_bytes(&bytes).map_err(|_| KeyError::NotAScalar)
}

/// A private key from an encrypted JSON keystore. Deriving the key takes up to a second of CPU: call it at start, on a blocking thread.
pub fn key_from_keystore(path: &Path, password: &str) -> Result<PrivateKeySigner, KeyError> {
    PrivateKeySigner::decrypt_keystore(path, password).map_err(KeyError::Keystore)
}

/// A key that sends transactions and pays their gas: local, in a keystore, or remote.
#[derive(Clone)]
pub struct OperatorKey(Arc<dyn TxSigner<Signature> + Send + Sync>);

impl OperatorKey {
    /// Holds a signer.
    pub fn new(signer: impl TxSigner<Signature> + Send + Sync + 'static) -> Self {
        Self(Arc::new(signer))
    }

    /// The account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a transaction and checks that the signature is this account's: a remote signer may answer with another key.
    pub async fn sign(&self, tx: &mut TxEip1559) -> Result<Signature, TransactionError> {
        let signature = self.0.sign_transaction(tx).await.map_err(TransactionError::Signer)?;
        let signer = signature.recover_address_from_prehash(&tx.signature_hash()).map_err(TransactionError::Signature)?;
        if signer != self.address() {
            return Err(TransactionError::WrongSigner { expected: self.address(), actual: signer });
        }
        Ok(signature)
    }
}

impl From<PrivateKeySigner> for OperatorKey {
    fn from(mut signer: PrivateKeySigner) -> Self {
        // The template sets the chain; a signer with an opinion of its own would refuse other chains' forks.
        signer.set_chain_id(None);
        Self::new(signer)
    }
}

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OperatorKey").field(&self.address()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::address;

    const SECRET: &str = "0x00000000000000000000000000000000000000000000000000000000c0ffee01";

    #[test]
    fn hex_keys_are_read_and_never_shown() {
        let key = key_from_hex(&format!(" {SECRET}\n")).unwrap();
        assert_eq!(key_from_hex(SECRET.trim_start_matches("0x")).unwrap().address(), key.address());
        let shown = format!("{key:?} {:?}", OperatorKey::from(key.clone()));
        assert!(!shown.to_lowercase().contains("c0ffee01"), "{shown}");
    }

    #[test]
    fn errors_do_not_quote_the_key() {
        for bad in ["0xzz000000000000000000000000000000000000000000000000000000c0ffee01", "c0ffee01", ""] {
            let error = key_from_hex(bad).unwrap_err();
            assert!(matches!(error, KeyError::NotHex));
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("c0ffee") && !shown.contains('z'), "{shown}");
        }
        assert!(matches!(key_from_hex(&format!("0x{}", "00".repeat(32))), Err(KeyError::NotAScalar)));
        assert!(matches!(key_from_hex(&"ff".repeat(32)), Err(KeyError::NotAScalar)));
    }

    #[test]
    fn a_keystore_opens_with_its_password_only() {
        // Web3 secret storage test vector (PBKDF2) of the Ethereum wiki.
        let json = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
            "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
            "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
            "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        std::fs::write(&path, json).unwrap();
        let key = key_from_keystore(&path, "testpassword").unwrap();
        assert_eq!(key.address(), address!("008aeeda4d805471df9b2a5b0f38a0c3bcba786b"));
        assert!(matches!(key_from_keystore(&path, "wrong"), Err(KeyError::Keystore(_))));
        assert!(matches!(key_from_keystore(&folder.path().join("none.json"), ""), Err(KeyError::Keystore(_))));
    }
}

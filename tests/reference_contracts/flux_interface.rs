//! The interface of `protocols/flux.md`: selectors as documented or chosen, errors and topics, of the reference contracts and of our executor.

use crate::interface::{Interface, check};

#[test]
fn interfaces_are_the_note_s() {
    check(INTERFACES);
}

const INTERFACES: &[Interface] = &[
    Interface {
        of: &["FluxVault"],
        functions: &[
            "48c89491", "a0807d34", "76b9de09", "1f61d8b4", "0d9633e8", "764dcda5", "85d6b82f", "2558e04a", "e822f288", "7d1fb581", "4cf8379a", "ba7f99c8",
            "66ee867d", "185025ef", "52d89d12", "19ea65c3", "2dcfb3dd", "5717941b", "72d2b6c0", "04ca636c", "4ed9b675", "103b7397", "d14faf2c", "961be391",
            "fc7b9c18", "ce8c586c", "c45a0155", "784b5a1e",
        ],
        errors: &[
            "1e618386", "58548e84", "a8a168bf", "6415f959", "cd1c8867", "0f2e5b6c", "929593c8", "bb55fd27", "44511af1", "1a714fce", "a9ab3323", "94a6d6c1",
        ],
        events: &[
            "9208581a0e171145ce93f9f72ef656f294f2c169925e140f0f20406aba1a04ae",
            "0661566a836c2d45c02e28816c5d4958d7684b29ab0cfcb1025ff7eed3000e7a",
            "b8ac2c7e87ab7bda8b0443b85bc0ecdd692e895d046f723c98a9a5bc26fe668b",
            "756e462ba4b05e7cd8305dae269a80c763f96c22f6d2b0ec9fb386fd4f0e6f6d",
        ],
    },
    Interface {
        of: &["FluxStrategy", "PatientStrategy"],
        functions: &["77fdbe83", "074b5c34", "4031234c", "36d0629f", "f4cf90a3", "04604a0d", "33cf1da9", "6986bb9d", "dac16f18"],
        errors: &[],
        events: &[],
    },
    Interface { of: &["FluxFactory"], functions: &["79e663ac", "61119302", "4bb93ab1", "58f85880"], errors: &[], events: &[] },
    Interface { of: &["OracleRegistry"], functions: &["cacabd27", "5708447d"], errors: &[], events: &[] },
    Interface {
        of: &["BaseAssetWrapper", "Erc20Wrapper", "UniswapV3Wrapper", "BlindWrapper"],
        functions: &["2cdf2c15", "7158da7c", "0cc24dcf", "f2d64cac", "e29986a4", "0adaf9d5"],
        errors: &[],
        events: &[],
    },
    Interface { of: &["FluxScript", "Executor"], functions: &["2d63f6aa", "f1471868"], errors: &[], events: &[] },
];

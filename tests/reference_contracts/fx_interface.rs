//! The interface: every selector, error and event topic of the deployed f(x) contracts is one of the reference contracts'.

use crate::interface::{Interface, check};

#[test]
fn interfaces_are_the_contracts() {
    check(INTERFACES);
}

const INTERFACES: &[Interface] = &[
    Interface {
        of: &["LongPool", "ShortPool"],
        functions: &[
            "7f20a8c6", "24b33392", "581bc9c9", "960a8b92", "a0ab910e", "df9cbd3a", "eb02c301", "861b4cfe", "63d36fa4", "75413fdd", "143d557c", "e9a0e8fa",
            "623d3a13", "95e79d61", "ee65a03c", "f9d45fd2", "067f4ddd", "1a0dde1c", "b2016bd4", "2630c12f", "c3df6546", "70f3c4b1", "3cd9b53c",
        ],
        errors: &["aa19ba5c", "ad8b36e0"],
        events: &[
            "87c6d2a0cd0c74f592aa5180672ba8d1f3646cb6e00d7622a7cbb4aa7aeb93b8",
            "5fe96f4d1f13c468b9090d9e0bfa3b28cf26e4fe6439122f08ddbf605998e8a9",
            "0eb47678af0fcacabbadc23b52144abfc1b9341bfb37b6ede42d22bb243defda",
            "ae4d80815d6017051882e2605756a6374b276db7e0552860fa6b7c320a20be01",
            "15658fc22e6d738d694640c7ec144edc24a5217d8e1b1cb6a17973b1f1c92875",
            "7adbf035b2e2ae03a957c0cd561744f4010902e1001c2d41086c06f54504b716",
            "a81c6ce7b85dedd389acede97c4c68e7ccd76ae970023b8af6a32d3d5b75e8ae",
            "f3920b145a63851522088bd18b14d6bb919fbd12ac87f12498d6001c727ba070",
            "e92fbb024677220febae1048128887af04da8455f22497316b00bb175be6b3ed",
            "0c62bbdfbcbe8bf3480c55ec19a4923a65eb876e49568f084595873b64cf8386",
            "1fcbbe01cb93b28951415a235e7b7d08a83d81e801ecd137f56085830cea62c4",
        ],
    },
    Interface { of: &["LongPool"], functions: &["a9cc2e3b"], errors: &[], events: &[] },
    Interface { of: &["ShortPool"], functions: &["f8d89898", "ecf1a3a6", "8fe8a101", "93ca3415"], errors: &["6fa8dc89", "ef888d44"], events: &[] },
    Interface {
        of: &["PoolManager", "ShortPoolManager"],
        functions: &["d1903fed", "86403125", "06bfa938", "9bd3bd38", "5cb3ccaa", "0266f044", "5c975abb", "6c70bee9"],
        errors: &["aaaf1ba7", "d93c0665", "3ee5aeb5", "6cbe0c8c", "f646f2f9", "b043a004"],
        events: &[
            "9a243f0f02273a4b80be965697988a178f95cd11863de2122e69f811445dff44",
            "3ed91ef70e6e7c6a805523d1a95ddc27851b8f620524b5def16053d07bc33c32",
            "c47c244bb9022fbfd61c1961e43c3f6100aba94a7196cca3e6743b6ec04f7d09",
            "bf5383b9e422a4efef091bed41e294217b4a7c7adfbed0dc4d48588bac69afa8",
            "5eae3446f897bd3bbec9c0c4bfa76e39caf18a7b1a0ed8e89de3aea8a297acae",
            "dfc596fabc6581c887262c97695176a79e3c8fc6ab7aaf14700820f3436b8fb9",
            "62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258",
            "5db9ee0a495bf2e6ff9c91a7834c1ba4fdd244a5e8aa4e537bd38aeae4b073aa",
        ],
    },
    Interface {
        of: &["PoolManager"],
        functions: &["2bb6bc15", "6e49db1c", "c1342574", "3f0292c2", "9d8c2910", "93e59dc1"],
        errors: &["880cbfe7", "07a1b463", "f179a756", "9544786b"],
        events: &[
            "2ee87fe08e822e20d39eb53e4cfe022c750e0b72e3dfafa2413b41b61f3dacc5",
            "f8cdb1f9af03fbf36ddb1d43fce878a63592deba4f09a82777616f3019aa6c4d",
            "158ba9ab7bbbd08eeffa4753bad41f4d450e24831d293427308badf3eadd8c76",
            "bd5034ffbd47e4e72a94baa2cdb74c6fad73cb3bcdc13036b72ec8306f5a7646",
            "87b7851a3d0ea68ea4815a7d26786f79a1395130f36977b4cae075de129f3cbd",
        ],
    },
    Interface {
        of: &["ShortPoolManager"],
        functions: &["71bffd33", "b3f865f7", "26c01303", "3016a581", "f46bef20", "3099a0bf", "c3df6546"],
        errors: &["901541d3", "5cbe4639", "ef888d44", "bdef9df0", "794c8858"],
        events: &[
            "d033303d155e6e089abe5ff3f071407e115def6bfd93964db36d85299107572c",
            "0fb7c112e2248b21d15aa2d7f59f29499d35a70a8cf45cea0c90fa784ee4b40a",
            "3c4b1d42b9c7fa283f6fe657533f6a5a8a7ad1d36f9ef1d9d89ad04485e10d2c",
            "1636a7b61c31940ef7c54692ea1c56d6c47321574f8693e2ef4538e1560f9120",
            "4ecc57664c1f9a5360e47535042baf49ea2cb1f4456cc0d7a4187570e6e8e53f",
        ],
    },
    Interface {
        of: &["FxUSDBasePool"],
        functions: &["a8ff30f9", "6e49db1c", "c1342574", "65d2cb08", "9ff39038", "3fd7ebe9", "18160ddd"],
        errors: &["ca1d512b", "60bd8b61", "5274afe7"],
        events: &["b8c3fd52c06cd7e35d81a3fc31542187d197c9deef253587a27e0214677d0f6b"],
    },
    Interface { of: &["PoolConfiguration"], functions: &["9db4a553", "c00c2ceb", "eacb05f0", "cc411cb1"], errors: &["86e4722b"], events: &[] },
    Interface { of: &["ReservePool"], functions: &["f8b2cb4f"], errors: &[], events: &["8398f215c164c129645f50e1a6ab763177ace545af90ad35d2c7d8573256acb6"] },
    Interface { of: &["CreditNote"], functions: &["18160ddd"], errors: &["e450d38c", "fb8f41b2"], events: &[] },
    Interface { of: &["FxPriceOracle", "InverseOracle"], functions: &["98d5fdca", "a51ff4a2", "60ee3fc0", "76cde564"], errors: &[], events: &[] },
];

//! What nft writes beside a set, for itself: the kernel keeps it and does not look into it.
//!
//! ```text
//! type u8 | length u8 | value        nested; numbers in the host's byte order (libnftnl's udata)
//! ```
//!
//! Without it the firewall works, but `nft list ruleset` shows device names as nothing, and cannot say of what the key
//! of `own_nd` is made.

/// NFTNL_UDATA_SET_KEYBYTEORDER: the key is in the host's order, which is what nft holds a name to be.
pub(super) fn host_order() -> Vec<u8> {
    number(0, 1)
}

/// NFTNL_UDATA_SET_KEY_TYPEOF: `typeof iifname . ether saddr . @th,64,128`.
pub(super) fn advertised() -> Vec<u8> {
    const META: u32 = 9;
    const PAYLOAD: u32 = 7;
    const CONCATENATION: u32 = 13;
    let expression = |kind, parts: &[u32]| {
        let parts: Vec<u8> = parts.iter().zip(0..).flat_map(|(part, n)| number(n, *part)).collect();
        [number(0, kind), field(1, &parts)].concat()
    };
    // NFT_META_IIFNAME; Ethernet's second field; transport header, offset 64, length 128, in bits.
    let parts = [expression(META, &[6]), expression(PAYLOAD, &[17, 2]), expression(PAYLOAD, &[0, 0, 3, 64, 128])];
    let parts: Vec<u8> = parts.iter().zip(0..).flat_map(|(part, n)| field(n, part)).collect();
    [number(0, 0), field(3, &[number(0, CONCATENATION), field(1, &parts)].concat())].concat()
}

fn number(kind: u8, value: u32) -> Vec<u8> {
    field(kind, &value.to_ne_bytes())
}

/// A field of less than 256 bytes, as all of these are.
fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind, value.len() as u8], value].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nft_writes_the_same() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        if cfg!(target_endian = "big") {
            return;
        }
        assert_eq!(hex(host_order()), "000401000000");
        let typeof_key = "000400000000035600040d000000014e000e00040900000001060004060000000114000407000000010c000411000000\
            0104020000000226000407000000011e000400000000010400000000020403000000030440000000040480000000";
        assert_eq!(hex(advertised()), typeof_key);
    }
}

//! SHA-256's compression function by the instructions that Armv8 has for it.
//!
//! The `sha2` crate has the same, but decides whether to use it by asking an operating system; here
//! the core's own identification register is asked. FIPS 180-4, section 6.2; the instructions do four
//! rounds each.

use core::arch::aarch64::{
    uint32x4_t, vaddq_u32, vld1q_u8, vld1q_u32, vreinterpretq_u32_u8, vrev32q_u8, vsha256h2q_u32,
    vsha256hq_u32, vsha256su0q_u32, vsha256su1q_u32, vst1q_u32,
};

use aarch64_cpu::registers::{ID_AA64ISAR0_EL1, Readable};
use qlens_board::sha256::Sha256;

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
const ROUND: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

/// A hash of nothing yet, computed the fastest way that this core can.
pub fn hasher() -> Sha256 {
    // Bits 15:12 are the field SHA2; 1 means SHA-256, 2 SHA-512 as well.
    if ID_AA64ISAR0_EL1.get() >> 12 & 0xf > 0 {
        Sha256::with_compress(|state, blocks| {
            // SAFETY: The register just said that the core has the instructions, and all cores of
            // this machine are alike.
            unsafe { compress(state, blocks) }
        })
    } else {
        Sha256::new()
    }
}

#[target_feature(enable = "sha2")]
fn compress(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
    let (low, high) = state.split_at_mut(4);
    // SAFETY: Each half of the state is four words.
    let (mut abcd, mut efgh) = unsafe { (vld1q_u32(low.as_ptr()), vld1q_u32(high.as_ptr())) };
    for block in blocks {
        let (abcd_before, efgh_before) = (abcd, efgh);
        let mut words: [uint32x4_t; 4] = core::array::from_fn(|i| {
            // SAFETY: Four pieces of 16 bytes are the block. Its words are big-endian.
            let bytes = unsafe { vld1q_u8(block.as_ptr().add(16 * i)) };
            vreinterpretq_u32_u8(vrev32q_u8(bytes))
        });
        for group in 0..16 {
            let at = group % 4;
            if group >= 4 {
                // The message schedule: four words from the sixteen before them.
                let [first, second, third, fourth] = [
                    words[at],
                    words[(at + 1) % 4],
                    words[(at + 2) % 4],
                    words[(at + 3) % 4],
                ];
                words[at] = vsha256su1q_u32(vsha256su0q_u32(first, second), third, fourth);
            }
            // SAFETY: Sixteen groups of four constants are the table.
            let constants = unsafe { vld1q_u32(ROUND.as_ptr().add(4 * group)) };
            let sum = vaddq_u32(words[at], constants);
            let abcd_now = abcd;
            abcd = vsha256hq_u32(abcd_now, efgh, sum);
            efgh = vsha256h2q_u32(efgh, abcd_now, sum);
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    // SAFETY: As above.
    unsafe {
        vst1q_u32(low.as_mut_ptr(), abcd);
        vst1q_u32(high.as_mut_ptr(), efgh);
    }
}

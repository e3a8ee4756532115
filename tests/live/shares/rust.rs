// SPDX-License-Identifier: MIT
//! Seven functions as in code.c, of Rust.

pub mod work {
    macro_rules! burns {
        ($($name:ident $odd:expr,)*) => {
            $(#[inline(never)]
            pub fn $name(n: u64) -> u64 {
                let mut x = n | 1;
                for _ in 0..n {
                    x = x.wrapping_mul(6364136223846793005).wrapping_add($odd);
                    // One step after the other: two at once would take less time.
                    unsafe { std::arch::asm!("/* {0} */", inout(reg) x) };
                }
                x
            })*
        };
    }
    // Small numbers would take less time than those of the other functions.
    burns! {
        a 1442695040888963407,
        b 1442695040888963409,
        c 1442695040888963411,
        d 1442695040888963413,
        e 1442695040888963415,
        f 1442695040888963417,
        g 1442695040888963419,
    }
}

#[no_mangle]
pub extern "C" fn plugin_burn(which: u32, steps: u64) -> u64 {
    let burns = [work::a, work::b, work::c, work::d, work::e, work::f, work::g];
    burns[which as usize % burns.len()](steps) + 1
}

#[repr(transparent)]
pub struct Names([*const u8; 7]);
unsafe impl Sync for Names {}

#[no_mangle]
pub static plugin_names: Names = Names([
    b"plugin::work::a\0".as_ptr(), b"plugin::work::b\0".as_ptr(), b"plugin::work::c\0".as_ptr(),
    b"plugin::work::d\0".as_ptr(), b"plugin::work::e\0".as_ptr(), b"plugin::work::f\0".as_ptr(),
    b"plugin::work::g\0".as_ptr(),
]);

//! Releases the memory of the program's code while it sleeps.
//!
//! Pages of code are read from the file and stay while there is free memory, so megabytes of start-up code count for a
//! process that sleeps for hours. Released pages are read from the file again when they are needed.

use std::ffi::c_void;

use nix::libc;

/// Releases the code pages of the program and its libraries.
pub fn release_pages() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for (from, to) in maps.lines().filter_map(code) {
        // SAFETY: the system has just reported the range as a mapping of this process: private code from a file, never
        // written, whose dropped pages are read from the file again. No memory that Rust uses is written.
        unsafe { libc::madvise(from as *mut c_void, to - from, libc::MADV_DONTNEED) };
    }
}

/// The range of a line of `/proc/self/maps` that is private code from a file.
fn code(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (range, rights) = (words.next()?, words.next()?);
    let is_file = words.nth(3).is_some_and(|path| path.starts_with('/'));
    let (from, to) = range.split_once('-').filter(|_| rights == "r-xp" && is_file)?;
    let number = |text| usize::from_str_radix(text, 16).ok();
    Some((number(from)?, number(to)?))
}

#[cfg(test)]
mod tests {
    use super::{code, release_pages};

    #[test]
    fn only_code_of_files_is_given_back_and_the_program_goes_on() {
        let line = "55d0c8a00000-55d0c8e00000 r-xp 00100000 08:01 1234    /usr/bin/program";
        assert_eq!(code(line), Some((0x55d0_c8a0_0000, 0x55d0_c8e0_0000)));
        for other in [
            "55d0c8a00000-55d0c8e00000 r--p 00100000 08:01 1234    /usr/bin/program",
            "55d0c8a00000-55d0c8e00000 rwxp 00100000 08:01 1234    /usr/bin/program",
            "7ffe5a5f0000-7ffe5a5f2000 r-xp 00000000 00:00 0    [vdso]",
            "7ffe5a5f0000-7ffe5a5f2000 r-xp 00000000 00:00 0",
            "",
        ] {
            assert_eq!(code(other), None, "{other}");
        }
        release_pages();
        assert_eq!("it goes on".len(), 10);
    }
}

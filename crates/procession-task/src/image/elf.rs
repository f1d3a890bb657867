//! What an ELF image says of itself: its segments and its build id. It reads bytes it is given and must not touch memory by address.

use std::ops::Range;

/// The ELF header's length.
pub(super) const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
/// The page that holds the ELF header is mapped; program headers beyond it are not trusted.
const FIRST_PAGE: usize = 4096;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// Address ranges of an image in memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Map {
    /// Where constants live: read-only segments, and what the loader made read-only after relocation.
    pub(super) constant: Vec<Range<usize>>,
    /// Segments that no one writes, not even the loader.
    pub(super) untouched: Vec<Range<usize>>,
    /// Notes that lie in such segments.
    pub(super) notes: Vec<Range<usize>>,
}

/// Where the program headers are, as an offset from the ELF header; `None` when they are not behind it on its page.
pub(super) fn program_headers(header: &[u8]) -> Option<Range<usize>> {
    let table = usize::try_from(word(header, 32)?).ok()?;
    let entry = u16::from_le_bytes(*header.get(54..)?.first_chunk()?);
    let count = u16::from_le_bytes(*header.get(56..)?.first_chunk()?);
    let end = table.checked_add(usize::from(count) * PROGRAM_HEADER_BYTES)?;
    let known = header.starts_with(b"\x7fELF") && usize::from(entry) == PROGRAM_HEADER_BYTES;
    (known && end <= FIRST_PAGE).then_some(table..end)
}

impl Map {
    /// Reads the program headers of an image whose ELF header is at the address `start`.
    pub(super) fn read(start: usize, program_headers: &[u8]) -> Option<Map> {
        let segments: Vec<Segment> = program_headers
            .chunks_exact(PROGRAM_HEADER_BYTES)
            .filter_map(Segment::read)
            .collect();
        let first = segments
            .iter()
            .find(|s| s.kind == PT_LOAD && s.file_offset == 0)?;
        let bias = start.wrapping_sub(first.address);
        let place = |s: &Segment| {
            let from = bias.wrapping_add(s.address);
            from..from.saturating_add(s.file_bytes)
        };
        let relro: Vec<_> = segments
            .iter()
            .filter(|s| s.kind == PT_GNU_RELRO)
            .map(place)
            .collect();
        let loaded = || {
            segments
                .iter()
                .filter(|s| s.kind == PT_LOAD && s.flags & PF_R != 0)
        };
        let untouched: Vec<_> = loaded()
            .filter(|s| s.flags & PF_W == 0)
            .map(place)
            .collect();
        let mut constant = untouched.clone();
        if relro.is_empty() {
            constant.extend(loaded().filter(|s| s.flags & PF_W != 0).map(place));
        } else {
            constant.extend(relro);
        }
        let inside = |note: &Range<usize>| {
            untouched
                .iter()
                .any(|u| u.start <= note.start && note.end <= u.end)
        };
        let notes = segments
            .iter()
            .filter(|s| s.kind == PT_NOTE)
            .map(place)
            .filter(inside);
        Some(Map {
            notes: notes.collect(),
            constant,
            untouched,
        })
    }

    /// Whether `len` bytes of constants are mapped at `address`.
    #[inline]
    pub(super) fn holds(&self, address: usize, len: usize) -> bool {
        let Some(end) = address.checked_add(len) else {
            return false;
        };
        self.constant
            .iter()
            .any(|range| range.start <= address && end <= range.end)
    }
}

/// One program header.
struct Segment {
    kind: u32,
    flags: u32,
    file_offset: u64,
    address: usize,
    file_bytes: usize,
}

impl Segment {
    fn read(entry: &[u8]) -> Option<Segment> {
        let kinds = word(entry, 0)?;
        Some(Segment {
            kind: kinds as u32,
            flags: (kinds >> 32) as u32,
            file_offset: word(entry, 8)?,
            address: usize::try_from(word(entry, 16)?).ok()?,
            file_bytes: usize::try_from(word(entry, 32)?).ok()?,
        })
    }
}

/// A little-endian number.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The descriptor of the note `NT_GNU_BUILD_ID` among `notes`.
pub(super) fn gnu_build_id(mut notes: &[u8]) -> Option<Vec<u8>> {
    const NT_GNU_BUILD_ID: u32 = 3;
    loop {
        let (sizes, rest) = notes.split_first_chunk::<12>()?;
        let field = |at: usize| Some(u32::from_le_bytes(*sizes.get(at..)?.first_chunk()?));
        let (name_len, id_len, kind) = (field(0)? as usize, field(4)? as usize, field(8)?);
        let (name, rest) = rest.split_at_checked(name_len.next_multiple_of(4))?;
        let id = rest.get(..id_len)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            return Some(id.to_vec());
        }
        notes = rest.get(id_len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: u32, flags: u32, offset: u64, address: u64, file_bytes: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        for word in [offset, address, address, file_bytes, file_bytes, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    const BASE: usize = 0x7000_0000;

    fn program(with_relro: bool) -> Vec<u8> {
        let mut table = [
            header(PT_LOAD, PF_R, 0, 0, 0x1000),
            header(PT_LOAD, PF_R | 1, 0x1000, 0x2000, 0x800),
            header(PT_LOAD, PF_R | PF_W, 0x2000, 0x4000, 0x3000),
            header(PT_LOAD, 1, 0x5000, 0x9000, 0x1000),
            header(PT_NOTE, PF_R, 0x200, 0x200, 0x24),
            header(PT_NOTE, PF_R, 0x2100, 0x4100, 0x24),
        ]
        .concat();
        if with_relro {
            table.extend(header(PT_GNU_RELRO, PF_R, 0x2000, 0x4000, 0x1000));
        }
        table
    }

    #[test]
    fn constants_are_read_only_segments_and_relro() {
        let map = Map::read(BASE, &program(true)).unwrap();
        assert!(map.holds(BASE, 0x1000) && map.holds(BASE + 0x2000, 0x800));
        assert!(!map.holds(BASE, 0x1001), "past the end of a segment");
        assert!(!map.holds(BASE + 0x1800, 8), "in a hole");
        assert!(
            map.holds(BASE + 0x4000, 0x1000) && !map.holds(BASE + 0x5000, 8),
            "written data"
        );
        assert!(!map.holds(BASE + 0x9000, 8), "not readable");
        assert!(!map.holds(usize::MAX - 4, 8));
        assert_eq!(map.notes.len(), 1, "notes in written data are not read");
        assert_eq!(map.notes[0], BASE + 0x200..BASE + 0x224);

        let map = Map::read(BASE, &program(false)).unwrap();
        assert!(
            map.holds(BASE + 0x5000, 8),
            "without relro, constants are in written data"
        );
    }

    #[test]
    fn an_image_that_is_not_one_has_no_map() {
        assert_eq!(Map::read(BASE, &[]), None);
        assert_eq!(Map::read(BASE, &header(PT_LOAD, PF_R, 0x1000, 0, 8)), None);
        assert_eq!(program_headers(&[0; 64]), None);
        let mut elf = [0; 64];
        elf[..4].copy_from_slice(b"\x7fELF");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 2;
        assert_eq!(program_headers(&elf), Some(64..176));
        elf[57] = 1;
        assert_eq!(
            program_headers(&elf),
            None,
            "more than the first page holds"
        );
        assert_eq!(program_headers(&elf[..57]), None);
    }

    #[test]
    fn the_build_id_is_found_behind_other_notes() {
        let note = |kind: u8, name: &[u8], id: &[u8]| {
            let mut bytes = vec![
                name.len() as u8,
                0,
                0,
                0,
                id.len() as u8,
                0,
                0,
                0,
                kind,
                0,
                0,
                0,
            ];
            for part in [name, id] {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        };
        let notes = [
            note(5, b"GNU\0", &[1; 16]),
            note(3, b"Xen\0", &[2]),
            note(3, b"GNU\0", &[7; 5]),
        ]
        .concat();
        assert_eq!(gnu_build_id(&notes), Some(vec![7; 5]));
        for end in 0..notes.len() - 3 {
            assert_eq!(gnu_build_id(&notes[..end]), None, "cut at {end}");
        }
        assert_eq!(gnu_build_id(&[0xff; 64]), None);
    }
}

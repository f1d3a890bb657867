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

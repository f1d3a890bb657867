//! The program's own image in memory: where a descriptor may lie, and what tells one build from another.
//!
//! It must not follow any pointer that did not come out of the checks below.
//!
//! # Safety
//! Everything unsafe in this crate is here, for four purposes.
//! - *The map.* The linker defines `__ehdr_start` at the ELF header of the object this crate was linked into. The header and the program headers
//!   behind it are mapped for as long as the object is, and this code is part of the object.
//! - *Descriptors by offset.* An offset from another process is checked against the constant parts of the map, for alignment, for a 128-bit
//!   magic, and for the address of [`ANCHOR`], which the loader wrote. Only then does a `&Descriptor` exist.
//! - *Functions without bytes.* A task is a zero-sized `Copy` value; copying it from a dangling pointer is how every zero-sized value is read.
//! - *Type identity without `'static`.* `TypeId` refuses types with lifetimes; it is asked with the lifetimes erased.
#![expect(
    unsafe_code,
    reason = "resolves addresses that came from another process"
)]

mod elf;

use std::any::TypeId;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::mem::offset_of;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::OnceLock;

use crate::descriptor::Descriptor;
use elf::Map;

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    target_endian = "little"
)))]
compile_error!("procession runs on 64-bit little-endian Linux only");

/// The point descriptors are measured from. A `static`, because its address is unique; a function's is not.
#[derive(Debug)]
pub(crate) struct Anchor {
    _place: u64,
}

pub(crate) static ANCHOR: Anchor = Anchor {
    _place: 0x616e_6368_6f72_0a00,
};

/// `procession task\n`, with every bit of the second half inverted.
pub(crate) const DESCRIPTOR_MAGIC: [u64; 2] = [
    u64::from_le_bytes(*b"processi"),
    !u64::from_le_bytes(*b"on task\n"),
];

unsafe extern "C" {
    /// Defined by the linker: the ELF header, the first bytes of the image.
    static __ehdr_start: [u8; elf::HEADER_BYTES];
}

static MAP: OnceLock<Map> = OnceLock::new();

/// The map of the object this crate is part of; empty when its program headers are not where a linker puts them.
///
/// Never inlined into another crate: there, `__ehdr_start` could be another object's.
#[inline(never)]
fn map() -> &'static Map {
    MAP.get_or_init(|| {
        let start = (&raw const __ehdr_start).expose_provenance();
        let header = bytes(&(start..start.saturating_add(elf::HEADER_BYTES)));
        elf::program_headers(header)
            .map(|at| bytes(&(start + at.start..start + at.end)))
            .and_then(|headers| Map::read(start, headers))
            .unwrap_or_default()
    })
}

fn anchor_address() -> usize {
    (&raw const ANCHOR).expose_provenance()
}

// `descriptor_at` reads a descriptor's first three words before it believes in the descriptor.
const _: () = assert!(offset_of!(Descriptor, magic) == 0 && offset_of!(Descriptor, anchor) == 16);

/// The distance of `descriptor` from the anchor; `None` when they are not in the same image.
#[inline(never)]
pub(crate) fn offset_of(descriptor: &'static Descriptor) -> Option<i64> {
    let address = std::ptr::from_ref(descriptor).expose_provenance();
    map()
        .holds(address, size_of::<Descriptor>())
        .then(|| address.wrapping_sub(anchor_address()) as i64)
}

/// The descriptor at `offset` from the anchor, or why there is none.
#[inline(never)]
pub(crate) fn descriptor_at(offset: i64) -> Result<&'static Descriptor, &'static str> {
    let address = anchor_address().wrapping_add(offset as usize);
    if !map().holds(address, size_of::<Descriptor>()) {
        return Err("outside the program's constants");
    }
    if !address.is_multiple_of(align_of::<Descriptor>()) {
        return Err("misaligned");
    }
    let words = std::ptr::with_exposed_provenance::<[usize; 3]>(address);
    // SAFETY: `holds` found `address` and the size of a descriptor after it, which is more than three words, in memory that is mapped readable and
    // that nothing writes once `main` or a constructor runs; it is aligned to more than a word.
    let [first, second, anchor] = unsafe { words.read() };
    let magic = [first as u64, second as u64];
    if magic != DESCRIPTOR_MAGIC || anchor != anchor_address() {
        return Err("no descriptor there");
    }
    // SAFETY: mapped, aligned and constant as above. The bytes are a descriptor: in constant memory the 128-bit magic stands before this process's
    // own address of the anchor only where the compiler placed a `Descriptor` and the loader relocated it.
    Ok(unsafe { &*std::ptr::with_exposed_provenance::<Descriptor>(address) })
}

/// A value of a type without bytes.
///
/// Reached only through a descriptor, so someone had an `F` to name it by [`TaskRef::of`](crate::TaskRef::of): `F` has a value, and as
/// `F: Copy + Send + Sync + 'static` that value may be copied to any thread. That another process counts as another thread is the one thing taken on
/// trust: a closure that captures a zero-sized proof ("the library is initialised") carries it there too.
#[inline]
pub(crate) fn materialise<F: Copy + Send + Sync + 'static>() -> F {
    // Decided while compiling; `TaskRef::of` has refused such a type with a better text.
    assert!(size_of::<F>() == 0);
    // SAFETY: a read of zero bytes from a non-null aligned pointer is valid, and `F` has a value, which has no bytes (see above).
    unsafe { NonNull::<F>::dangling().read() }
}

/// A hash of a type that is the same in every process of one program. Free after optimisation: the compiler knows it.
#[inline]
pub(crate) fn fingerprint<T: ?Sized>() -> u64 {
    let mut hash = Fold(0xcbf2_9ce4_8422_2325);
    erased_id::<T>().hash(&mut hash);
    hash.finish()
}

/// `TypeId` for types with lifetimes, which it cannot tell apart.
#[inline]
fn erased_id<T: ?Sized>() -> TypeId {
    trait Erased {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T: ?Sized> Erased for PhantomData<T> {
        #[inline]
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let asked: &dyn Erased = &PhantomData::<T>;
    // SAFETY: only the lifetime bound of the trait object changes; `id` reads nothing of `self`, which has no bytes, and returns no reference.
    let asked = unsafe { std::mem::transmute::<&dyn Erased, &(dyn Erased + 'static)>(asked) };
    asked.id()
}

/// Folds what a `TypeId` gives out, which is well mixed already.
struct Fold(u64);

impl Hasher for Fold {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

/// Mapped bytes of this image that no one writes.
fn bytes(range: &Range<usize>) -> &'static [u8] {
    let start = std::ptr::with_exposed_provenance::<u8>(range.start);
    // SAFETY: every caller passes a part of the first page of the image or of a read-only `PT_LOAD` segment, which stay mapped and unchanged while
    // this code can run.
    unsafe { std::slice::from_raw_parts(start, range.len()) }
}

/// What tells this build of the program from another: the linker's build id, or a hash of the program's constants where the linker wrote none.
///
/// ```
/// assert!(procession_task::build_id().len() >= 8);
/// assert_eq!(procession_task::build_id(), procession_task::build_id());
/// ```
#[must_use]
pub fn build_id() -> Vec<u8> {
    static ID: OnceLock<Vec<u8>> = OnceLock::new();
    ID.get_or_init(|| {
        let map = map();
        let noted = map
            .notes
            .iter()
            .find_map(|note| elf::gnu_build_id(bytes(note)));
        noted.unwrap_or_else(|| {
            let mut hash = Fold(map.untouched.len() as u64);
            for segment in &map.untouched {
                hash.write_u64(segment.len() as u64);
                let words = bytes(segment)
                    .chunks_exact(8)
                    .filter_map(|chunk| elf::word(chunk, 0));
                words.for_each(|word| hash.write_u64(word));
            }
            hash.finish().to_le_bytes().to_vec()
        })
    })
    .clone()
}

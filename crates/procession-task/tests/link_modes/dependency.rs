//! Functions of another crate of the same program.

#[must_use]
pub fn shout(text: String) -> String {
    format!("{}!", text.to_uppercase())
}

#[must_use]
pub fn pair<T: Copy>(x: T) -> (T, T) {
    (x, x)
}

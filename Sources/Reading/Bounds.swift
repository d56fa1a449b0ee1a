/// Bounds of the values that files and options may state. They lie far beyond any real system. They keep products of
/// counts inside 64 bits and turn typing errors into messages.
package enum Bounds {
    /// Every positive number that is not absurdly large.
    package static let positive = Double.leastNonzeroMagnitude...1e30
}

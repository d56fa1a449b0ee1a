/// The largest values a file or an option may hold. Far beyond anything built, they keep products of counts inside 64
/// bits and turn a slip of the finger into a message.
package enum Bounds {
    /// Anything above zero that is not absurd.
    package static let positive = Double.leastNonzeroMagnitude...1e30
}

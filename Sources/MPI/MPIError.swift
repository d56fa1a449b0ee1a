internal import CMPI

/// A call of MPI that failed, with the text the library gives for it (MPI 3.1, section 8.4).
package struct MPIError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The C function that failed: `MPI_Send`.
    package let call: String
    /// The library's error code, or an error class of the standard where the binding itself refused the call.
    package let code: Int32
    /// The reason, in words.
    package let text: String

    package init(call: String, code: Int32, text: String) {
        self.call = call
        self.code = code
        self.text = text
    }

    package var description: String { "\(call) failed: \(text)" }

    /// The error behind a code. The text is fetched now, since `MPI_Error_string` is only legal while MPI is alive.
    init(call: StaticString, code: Int32) {
        self.call = "\(call)"
        self.code = code
        let capacity = Int(cmpi_max_error_string()) + 1
        self.text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
            buffer.initialize(repeating: 0)
            var length: Int32 = 0
            guard MPI_Error_string(code, buffer.baseAddress, &length) == cmpi_success() else {
                return "error code \(code)"
            }
            return String(decoding: buffer.prefix(Int(length)).lazy.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    /// More elements than a C `int` counts: MPI 3.1 has no call for them.
    static func tooMany(_ count: Int, call: StaticString) -> MPIError {
        MPIError(
            call: "\(call)", code: cmpi_err_count(),
            text: "\(count) elements in one call; MPI counts at most \(Int32.max), so send the buffer in parts")
    }

    /// Two buffers of one call do not fit each other.
    static func mismatch(_ text: String, call: StaticString) -> MPIError {
        MPIError(call: "\(call)", code: cmpi_err_buffer(), text: text)
    }
}

/// Throws the error of a return code. Every call of MPI in this module goes through here.
@inline(__always)
func check(_ code: Int32, _ call: StaticString) throws(MPIError) {
    if code != cmpi_success() { throw MPIError(call: call, code: code) }
}

/// The count as MPI takes it.
/// - Throws: `MPIError` for more than `Int32.max` elements.
@inline(__always)
func checkedCount(_ count: Int, _ call: StaticString) throws(MPIError) -> Int32 {
    guard let count32 = Int32(exactly: count) else { throw MPIError.tooMany(count, call: call) }
    return count32
}

/// A rank or tag as MPI takes it. Negative numbers mean "any" or "none" to MPI; here they are mistakes, so they become
/// a value every implementation refuses.
@inline(__always)
func nonNegative(_ value: Int) -> Int32 {
    value < 0 ? Int32.min : Int32(clamping: value)
}

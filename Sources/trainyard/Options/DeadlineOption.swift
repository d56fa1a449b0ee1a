internal import Numbers
internal import Reading

/// What `--deadline` says: a time with its unit. Nobody can tell whether a bare number counts days or hours.
enum DeadlineOption {
    /// Days of a deadline such as `30d`; nil: none is given.
    static func days(_ text: String?) throws -> Double? {
        guard let text else { return nil }
        if let bare = try? Quantity.parse(text, as: .plain) {
            throw Failure.input("--deadline: '\(text)' has no unit; write \(Figures.plain(bare))d for days")
        }
        guard let seconds = try? Quantity.parse(text, as: .seconds), seconds > 0 else {
            throw Failure.input("--deadline: '\(text)' is not \(Quantity.Unit.seconds.example) above zero")
        }
        return seconds / 86_400
    }
}

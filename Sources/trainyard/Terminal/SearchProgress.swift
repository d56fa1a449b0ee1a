/// A line on standard error that says how far a long search is; silent where nobody looks.
final class SearchProgress: Sendable {
    private let isShown = Console.drawsProgress

    /// Overwrites the line.
    func show(_ text: String) {
        guard isShown else { return }
        Console.draw("\r\u{1B}[K" + text)
    }

    func clear() {
        guard isShown else { return }
        Console.draw("\r\u{1B}[K")
    }
}

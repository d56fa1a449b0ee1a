/// A progress line of a long search on standard error; silent where that is no terminal.
final class SearchProgress: Sendable {
    private let isShown = Console.drawsProgress

    /// Replaces the text of the line.
    func show(_ text: String) {
        guard isShown else { return }
        Console.draw("\r\u{1B}[K" + text)
    }

    func clear() {
        guard isShown else { return }
        Console.draw("\r\u{1B}[K")
    }
}

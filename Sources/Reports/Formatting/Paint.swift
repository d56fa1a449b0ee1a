/// Colours of an answer on a terminal: Select Graphic Rendition (ECMA-48, 8.3.117) with the 256-colour palette, the same
/// hues as in timelines. Where it is off the text stays as it is.
struct Paint {
    var isOn: Bool

    private func wrap(_ text: String, _ code: String) -> String {
        isOn && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    /// A heading.
    func strong(_ text: String) -> String { wrap(text, "1") }

    /// The bar of a part of the step: work, what is repeated, waiting, communication.
    func part(_ name: String, _ text: String) -> String {
        switch name {
        case "compute": wrap(text, "38;5;26")
        case "recompute": wrap(text, "38;5;29")
        case "optimizer": wrap(text, "38;5;125")
        case _ where name.hasSuffix("comm"): wrap(text, "38;5;134")
        default: wrap(text, "38;5;244")
        }
    }

    /// What is well, and what is not.
    func verdict(_ isWell: Bool, _ text: String) -> String { wrap(text, isWell ? "38;5;29" : "38;5;160") }
}

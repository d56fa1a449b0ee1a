/// The colours of an answer on a terminal: Select Graphic Rendition (ECMA-48, 8.3.117) with the 256-colour palette, in
/// the hues of timelines. When off, text stays uncoloured.
struct AnswerColours {
    var isOn: Bool

    private func wrap(_ text: String, _ code: String) -> String {
        isOn && !text.isEmpty ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }

    /// Text as a heading.
    func strong(_ text: String) -> String { wrap(text, "1") }

    /// Text in the colour of a part of the step.
    func part(_ name: String, _ text: String) -> String {
        switch name {
        case "compute": wrap(text, "38;5;26")
        case "recompute": wrap(text, "38;5;29")
        case "optimizer": wrap(text, "38;5;125")
        case _ where name.hasSuffix("comm"): wrap(text, "38;5;134")
        default: wrap(text, "38;5;244")
        }
    }

    /// Text in green where something is well, in red where not.
    func verdict(_ isWell: Bool, _ text: String) -> String { wrap(text, isWell ? "38;5;29" : "38;5;160") }
}

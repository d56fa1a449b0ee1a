/// What a script leaves to the environment, and how it was decided without one.
struct ShellDecisions {
    typealias Place = (line: Int, column: Int)

    /// Variables whose default was taken, and where.
    var defaults: [(name: String, value: String, place: Place)] = []
    /// Tests that ask the environment, files or other programs, what begins them, and what they were taken for.
    var branches: [(kind: String, line: Int, outcome: String)] = []

    /// Something that is not worked out.
    struct Gap: Hashable {
        var line: Int
        var what: String
    }

    /// Constructs that are not worked out, in order.
    private(set) var constructs: [Gap] = []
    /// Parts of words that were not worked out since this was last emptied.
    var raised: [Gap] = []
    /// Gaps of the commands that begin at a place.
    private var gaps: [Setting.Place: [Gap]] = [:]

    /// Notes a construct, once per kind and line.
    mutating func skip(_ what: String, line: Int) {
        let gap = Gap(line: line, what: what)
        if constructs.count < 1000, !constructs.contains(gap) { constructs.append(gap) }
    }

    mutating func raise(_ more: [Gap]) {
        for gap in more where raised.count < 1000 && !raised.contains(gap) { raised.append(gap) }
    }

    /// Notes what is not known of a command or of a variable's text.
    mutating func attach(_ more: [Gap], to words: [PlacedText]) {
        guard let first = words.first, !more.isEmpty else { return }
        gaps[Self.place(first.place), default: []] += more
    }
    /// Whether something that is not known was asked since this was last set to false.
    var isOpen = false
    /// Places of numbers that were computed from others.
    private var derived: [Setting.Place: [Setting.Place]] = [:]

    private static func place(_ place: Place) -> Setting.Place { Setting.Place(line: place.line, column: place.column) }

    /// Notes that a number was computed from variables.
    mutating func derive(_ place: Place, from values: [PlacedText]) {
        guard derived.count < 10_000 else { return }
        derived[Self.place(place), default: []] += values.compactMap { text in
            text.letters.first.map { Setting.Place(line: $0.line, column: $0.column) }
        }
    }

    /// Addresses, ranks and folders say nothing of a plan.
    static func isSilent(_ name: String) -> Bool { silent.contains(where: name.uppercased().contains) }
    private static let silent = ["ADDR", "PORT", "HOST", "RANK", "DIR", "PATH", "FILE", "NAME", "SAVE", "LOAD", "LOG"]

    /// The decisions that a command depends on, a sentence each.
    func remarks(on command: [PlacedText]) -> [String] {
        var places = command.flatMap(\.letters).map { Setting.Place(line: $0.line, column: $0.column) }
        var reached: Set<Setting.Place> = []
        while let place = places.popLast() {
            guard reached.insert(place).inserted else { continue }
            places += derived[place] ?? []
        }
        let last = command.map(\.place.line).max() ?? 0
        var said: Set<String> = []
        let taken = defaults.compactMap { item -> String? in
            let name = item.name.uppercased()
            let isSilent = item.value.isEmpty || Self.silent.contains(where: name.contains)
            guard !isSilent, reached.contains(Self.place(item.place)), said.insert(item.name).inserted else {
                return nil
            }
            return
                "\(item.name.first?.isNumber ?? false ? "$" : "")\(item.name) \(item.value.prefix(60)) (line \(item.place.line))"
        }
        var remarks: [String] = []
        if !taken.isEmpty {
            remarks.append(
                "\(taken.joined(separator: ", ")): defaults of the script, since the environment is not known")
        }
        for kind in ["if", "test", "case", "command"] {
            let tests = branches.filter { $0.line <= last && $0.kind == kind }.map { "line \($0.line) \($0.outcome)" }
            guard !tests.isEmpty else { continue }
            remarks.append(
                "\(kind) of \(tests.joined(separator: ", ")): taken so, since the environment, files and outputs of "
                    + "commands are not known")
        }
        var open: Set<Gap> = []
        let reaching = command.flatMap { gaps[Self.place($0.place)] ?? [] }
        for gap in (constructs + reaching).sorted(by: { $0.line < $1.line }) where open.insert(gap).inserted {
            remarks.append(
                "line \(gap.line): \(gap.what); hand the arguments in as a list, or say them with options")
        }
        return remarks
    }
}

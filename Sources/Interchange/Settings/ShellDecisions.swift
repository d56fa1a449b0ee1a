/// What a script leaves to the environment, and how it was decided without one.
struct ShellDecisions {
    typealias Place = (line: Int, column: Int)

    /// Variables whose default was taken, and where.
    var defaults: [(name: String, value: String, place: Place)] = []
    /// Tests that ask the environment, files or other programs, and whether they hold.
    var branches: [(line: Int, isTaken: Bool)] = []
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
    private static let silent = ["ADDR", "PORT", "HOST", "RANK", "DIR", "PATH", "FILE", "NAME", "SAVE", "LOAD", "LOG"]

    /// The decisions that a command depends on, a sentence each.
    func remarks(on command: [PlacedText]) -> [String] {
        var open = command.flatMap(\.letters).map { Setting.Place(line: $0.line, column: $0.column) }
        var reached: Set<Setting.Place> = []
        while let place = open.popLast() {
            guard reached.insert(place).inserted else { continue }
            open += derived[place] ?? []
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
        let tests = branches.filter { $0.line <= last }.map {
            "line \($0.line) \($0.isTaken ? "holds" : "does not hold")"
        }
        if !tests.isEmpty {
            remarks.append(
                "if of \(tests.joined(separator: ", ")): taken so, since the environment, files and outputs of commands are "
                    + "not known")
        }
        return remarks
    }
}

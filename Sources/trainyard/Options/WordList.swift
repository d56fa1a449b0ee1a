internal import Plans
internal import Reading

/// The values of a list of words with commas.
/// - Throws: the exit code of bad input, after a line that names the unknown word and the nearest known one.
func words<Value>(
    _ list: String, _ option: String, _ known: [String], _ make: (String) -> Value?
) throws -> [Value] {
    let names = list.split(separator: ",").map { $0.trimmingPrefix(" ") }.map(String.init)
    guard !names.isEmpty else {
        throw Failure.input("\(option) needs at least one of \(known.joined(separator: ", "))")
    }
    return try names.map { name in
        if let value = make(name) { return value }
        let near = Wording.didYouMean(name, among: known)
        throw Failure.input(
            "\(option): there is no '\(name)'; " + (near.isEmpty ? "there are \(known.joined(separator: ", "))" : near))
    }
}

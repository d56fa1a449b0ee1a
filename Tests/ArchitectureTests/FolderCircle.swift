/// Folders of a room that need one another: two with arrows both ways, or more in a circle.
struct FolderCircle: CustomStringConvertible {
    /// An arrow from one folder to another: what the one uses of the other.
    struct Arrow {
        let from: String
        let to: String
        let uses: [NameUse]
    }

    /// The folder whose sub-folders these are, `Sources/Training`.
    let place: String
    /// The arrows of the circle, each from where the one before it leads.
    let arrows: [Arrow]

    /// Files that lie beside the sub-folders, as a folder of their own.
    static let root = "(root)"

    /// `Sources/Training: Pipeline → Run → Pipeline`.
    var folders: String { "\(place): " + (arrows.map(\.from) + [arrows[0].from]).joined(separator: " → ") }

    /// The folders, a line an arrow, and under it one a use: file, line and name.
    var description: String {
        let listed = 12
        return arrows.reduce(folders) { text, arrow in
            let uses = arrow.uses.prefix(listed).map { use in
                "\n    \(place)/\(use.user):\(use.line) uses \(use.name) of \(use.declaration)"
            }
            let more = arrow.uses.count > listed ? "\n    and \(arrow.uses.count - listed) more" : ""
            return text + "\n  \(arrow.from) needs \(arrow.to):" + uses.joined() + more
        }
    }

    /// The circles among the sub-folders of `place` and of every folder below it.
    /// - Parameter uses: with paths below `place`.
    static func all(in place: String, files: [String], uses: [NameUse]) -> [FolderCircle] {
        let folders = Set(files.compactMap { $0.contains("/") ? String($0.prefix { $0 != "/" }) : nil })
        guard !folders.isEmpty else { return [] }
        let below = folders.sorted().flatMap { folder -> [FolderCircle] in
            func inside(_ path: String) -> String? {
                path.hasPrefix(folder + "/") ? String(path.dropFirst(folder.count + 1)) : nil
            }
            let inner = uses.compactMap { use -> NameUse? in
                guard let user = inside(use.user), let declaration = inside(use.declaration) else { return nil }
                return NameUse(
                    user: user, line: use.line, name: use.name, declaration: declaration,
                    extended: use.extended.flatMap(inside))
            }
            return all(in: "\(place)/\(folder)", files: files.compactMap(inside), uses: inner)
        }
        return circles(arrows: arrows(uses)).map { FolderCircle(place: place, arrows: $0) } + below
    }

    /// Uses of each folder by each other folder. A member in an extension counts where the extended type belongs elsewhere.
    private static func arrows(_ uses: [NameUse]) -> [String: [String: Arrow]] {
        func folder(_ path: String) -> String { path.contains("/") ? String(path.prefix { $0 != "/" }) : root }
        var found: [String: [String: [NameUse]]] = [:]
        for use in uses {
            let (from, to) = (folder(use.user), folder(use.declaration))
            if from == to || use.extended.map(folder) == to { continue }
            found[from, default: [:]][to, default: []].append(use)
        }
        return Dictionary(
            uniqueKeysWithValues: found.map { from, targets in
                (from, Dictionary(uniqueKeysWithValues: targets.map { ($0, Arrow(from: from, to: $0, uses: $1)) }))
            })
    }

    /// For every folder the shortest way back to it, each circle once.
    private static func circles(arrows: [String: [String: Arrow]]) -> [[Arrow]] {
        var found: [[Arrow]] = []
        var seen: Set<[String]> = []
        func note(_ folders: [String]) {
            guard seen.insert(folders.sorted()).inserted else { return }
            found.append(
                folders.indices.compactMap { arrows[folders[$0]]?[folders[($0 + 1) % folders.count]] })
        }
        for start in arrows.keys.sorted() {
            for other in arrows[start, default: [:]].keys.sorted() where arrows[other]?[start] != nil {
                note([start, other])
            }
            var ways = [[start]]
            var reached: Set<String> = []
            search: while !ways.isEmpty {
                let way = ways.removeFirst()
                for next in arrows[way[way.count - 1], default: [:]].keys.sorted() {
                    if next == start {
                        note(way)
                        break search
                    }
                    if reached.insert(next).inserted { ways.append(way + [next]) }
                }
            }
        }
        return found
    }
}

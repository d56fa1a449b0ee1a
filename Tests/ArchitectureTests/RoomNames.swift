/// A name of one file that another file uses.
struct NameUse: Hashable {
    /// Path of the file that uses it, in its room.
    let user: String
    let line: Int
    /// `Plan.Kind`, or `Plan.summary` for a member.
    let name: String
    /// Path of the file that declares it.
    let declaration: String
    /// Of a member in an extension, the file of the extended type where that is of the same room.
    var extended: String?
}

/// Says which file of a room declares what another file uses.
///
/// Types and file-scope values are found by name, members of extensions by the type they are named with. A member behind an
/// expression counts only where its name is unambiguous: declared in extensions of one file alone, and by none of the rooms
/// that the room imports. Not looked for: initialisers, subscripts, operators and conformances in extensions, and behind an
/// expression members that are called like one of the standard library (`standardMembers`) or of another type.
struct RoomNames {
    private let files: [SourceFile]
    private var typeFiles: [String: String] = [:]
    private var valueFiles: [String: String] = [:]
    private var members: [Member: [(file: String, isInExtension: Bool)]] = [:]
    private var owners: [String: Set<String>] = [:]
    /// Members of the rooms that this one imports, and of the standard library.
    private let foreignMembers: Set<String>

    private struct Member: Hashable {
        let owner: String
        let name: String
    }

    /// Members of the standard library and Foundation that extensions of ours are called like.
    private static let standardMembers: Set = [
        "count", "isEmpty", "first", "last", "min", "max", "map", "filter", "reduce", "sorted", "sort", "joined",
        "append", "contains", "index", "indices", "description", "debugDescription", "hash", "encode", "magnitude",
        "rounded", "span", "keys", "values", "lazy", "reversed", "enumerated", "prefix", "suffix", "forEach", "insert",
        "remove", "removeAll", "removeLast", "popLast", "split", "hasPrefix", "hasSuffix", "self", "rawValue",
        "lowerBound", "upperBound", "allSatisfy", "compactMap", "flatMap", "zip", "union", "formUnion", "id", "body",
        "run", "validate", "write", "read", "close", "bitPattern", "load", "store", "baseAddress", "pointee",
        "advanced", "update", "initialize", "deinitialize", "allocate", "deallocate", "next", "makeIterator", "stride",
        "truncatingRemainder", "squareRoot", "abs", "lines", "text", "uppercased", "lowercased", "trimmingCharacters",
        "components", "name",
    ]

    init(_ files: [SourceFile], importedMembers: Set<String> = []) {
        self.files = files
        foreignMembers = importedMembers.union(Self.standardMembers)
        for file in files {
            for type in file.types where type.isVisible { typeFiles[type.name] = typeFiles[type.name] ?? file.path }
            for value in file.values where value.isVisible {
                if let owner = value.owner {
                    members[Member(owner: owner, name: value.name), default: []]
                        .append((file.path, value.isInExtension))
                    owners[value.name, default: []].insert(owner)
                } else {
                    valueFiles[value.name] = valueFiles[value.name] ?? file.path
                }
            }
        }
    }

    /// Every use of a name that another file declares, in the order of the files.
    func uses() -> [NameUse] {
        files.flatMap { file -> [NameUse] in
            let own = OwnNames(file)
            return file.uses.compactMap { use in
                found(use, in: own).flatMap { found in
                    found.file == file.path
                        ? nil
                        : NameUse(
                            user: file.path, line: use.line, name: found.name, declaration: found.file,
                            extended: found.extended)
                }
            }
        }
    }

    /// Names that only their own file sees.
    private struct OwnNames {
        let types: Set<String>
        let values: Set<String>
        let members: Set<String>

        init(_ file: SourceFile) {
            types = Set(file.types.filter { !$0.isVisible }.map(\.name))
            values = Set(file.values.filter { !$0.isVisible && $0.owner == nil }.map(\.name))
            members = Set(file.values.filter { !$0.isVisible && $0.owner != nil }.map(\.name))
        }
    }

    private struct Found {
        let name: String
        let file: String
        var extended: String?
    }

    private func found(_ use: SourceFile.Use, in own: OwnNames) -> Found? {
        switch use.qualifier {
        case .none:
            if use.isLocal { return nil }
            for type in Self.lookedThrough(use.scopes) {
                let full = type + "." + use.name
                if own.types.contains(full) { return nil }
                if let file = typeFiles[full] { return Found(name: full, file: file) }
                if own.members.contains(use.name) { return nil }
                if isMember(use.name, of: type) { return extensionMember(use.name, of: type) }
            }
            if own.types.contains(use.name) || own.values.contains(use.name) { return nil }
            if let file = typeFiles[use.name] ?? valueFiles[use.name] { return Found(name: use.name, file: file) }
        case .names(let names) where !use.isLocal:
            let type = Self.type(names, in: use.scopes)
            for base in [type] + use.scopes.reversed().map({ $0 + "." + type }) where typeFiles[base] != nil {
                let full = base + "." + use.name
                if let file = typeFiles[full] { return Found(name: full, file: file) }
                if isMember(use.name, of: base) { return extensionMember(use.name, of: base) }
            }
            // A member of a type is no member of some other type.
            if type.first?.isUppercase == true { return extensionMember(use.name, of: type) }
        case .names, .expression:
            break
        }
        return own.members.contains(use.name) ? nil : unambiguousMember(use.name)
    }

    /// The types whose members are seen without a qualifier, innermost first.
    private static func lookedThrough(_ scopes: [String]) -> [String] {
        scopes.reversed().flatMap { scope -> [String] in
            let parts = scope.split(separator: ".")
            return (1...max(1, parts.count)).reversed().map { parts.prefix($0).joined(separator: ".") }
        }
    }

    /// `["Self", "Kind"]` in `Plan` is `Plan.Kind`.
    private static func type(_ names: [String], in scopes: [String]) -> String {
        let first = ["self", "Self"].contains(names[0]) ? scopes.last ?? names[0] : names[0]
        return ([first] + names.dropFirst()).joined(separator: ".")
    }

    private func isMember(_ name: String, of type: String) -> Bool { members[Member(owner: type, name: name)] != nil }

    /// The member where extensions in one file declare it, and nothing else does.
    private func extensionMember(_ name: String, of type: String) -> Found? {
        guard let places = members[Member(owner: type, name: name)], places.allSatisfy(\.isInExtension),
            Set(places.map(\.file)).count == 1
        else { return nil }
        return Found(name: "\(type).\(name)", file: places[0].file, extended: typeFiles[type])
    }

    private func unambiguousMember(_ name: String) -> Found? {
        guard !foreignMembers.contains(name), valueFiles[name] == nil, let types = owners[name] else { return nil }
        let found = types.sorted().map { extensionMember(name, of: $0) }
        guard let first = found[0], found.allSatisfy({ $0?.file == first.file && $0?.extended == first.extended })
        else {
            return nil
        }
        return first
    }
}

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// The file that a path leads to. Paths that are spelled differently (relative, over links, hard links) have equal
/// identities when they lead to the same file.
package enum FileIdentity: Hashable, Sendable {
    /// A file or folder that exists.
    case node(device: UInt64, number: UInt64)
    /// A file or folder that does not exist yet: the nearest existing folder above it, and the names from there on.
    case name(device: UInt64, number: UInt64, names: [String])

    /// Returns nil for a stream, a device or a pipe, which several outputs may share, and for a path that leads
    /// nowhere.
    package init?(_ path: String) {
        // The system follows as many links before it gives up.
        guard let found = Self.find(path, links: 40) else { return nil }
        self = found
    }

    /// Whether both cannot be written: they are the same file, or `other` lies in a folder that would have this name.
    func blocks(_ other: FileIdentity) -> Bool {
        if self == other { return true }
        guard case .name(let device, let number, let names) = self,
            case .name(device, number, let others) = other
        else { return false }
        return others.starts(with: names)
    }

    private static func find(_ path: String, links: Int) -> FileIdentity? {
        if path.isEmpty || OutputFile.descriptor(named: path) != nil { return nil }
        if let status = System.status(path, followingLinks: true) {
            guard System.isKind(status, S_IFREG) || System.isKind(status, S_IFDIR) else { return nil }
            // Darwin's device numbers are signed.
            return .node(device: UInt64(truncatingIfNeeded: status.st_dev), number: UInt64(status.st_ino))
        }
        let folder = OutputFile.folder(of: path)
        if let status = System.status(path, followingLinks: false) {
            guard links > 0, System.isKind(status, S_IFLNK), let link = System.link(path) else { return nil }
            return find(link.hasPrefix("/") ? link : folder + "/" + link, links: links - 1)
        }
        guard folder != path, let above = find(folder, links: links),
            let last = path.split(separator: "/").last.map(String.init)
        else { return nil }
        switch (above, last) {
        case (_, "."): return above
        case (.node(let device, let number), _):
            return .name(device: device, number: number, names: [last])
        case (.name(let device, let number, let names), ".."):
            return names.count > 1
                ? .name(device: device, number: number, names: names.dropLast())
                : .node(device: device, number: number)
        case (.name(let device, let number, let names), _):
            return .name(device: device, number: number, names: names + [last])
        }
    }
}

/// A path with the option or key that names it.
package struct NamedPath: Hashable, Sendable {
    package var name: String
    package var path: String

    package init(_ name: String, _ path: String) {
        self.name = name
        self.path = path
    }

    /// Returns nil where there is no path.
    package init?(_ name: String, _ path: String?) {
        guard let path else { return nil }
        self.init(name, path)
    }
}

/// All files that one command reads and writes. `check` refuses conflicts between them before anything is written.
package struct CommandFiles: Sendable {
    /// Files that will be written or replaced.
    package var written: [NamedPath]
    /// Folders that will be made and written into.
    package var folders: [NamedPath]
    /// Files that will be removed.
    package var removed: [NamedPath]
    /// Files that are read.
    package var read: [NamedPath]

    package init(
        written: [NamedPath], folders: [NamedPath] = [], removed: [NamedPath] = [], read: [NamedPath] = []
    ) {
        self.written = written
        self.folders = folders
        self.removed = removed
        self.read = read
    }

    /// Refuses a file that would be written twice, or that is read and would be replaced or removed. Pipes, devices and
    /// streams may be shared.
    package func check() throws(OutputError) {
        func identified(_ files: [NamedPath]) -> [(file: NamedPath, identity: FileIdentity)] {
            files.compactMap { file in FileIdentity(file.path).map { (file, $0) } }
        }
        func refuse(_ file: NamedPath, _ reason: String) -> OutputError { OutputError(file.path, reason, .before) }
        let (outputs, folders, removed) = (identified(written), identified(folders), identified(removed))
        for (index, (file, identity)) in outputs.enumerated() {
            for (other, otherIdentity) in outputs[(index + 1)...]
            where identity.blocks(otherIdentity) || otherIdentity.blocks(identity) {
                throw refuse(file, "\(file.name) and \(other.name) name the same file; give each its own")
            }
            for (folder, folderIdentity) in folders where identity.blocks(folderIdentity) {
                throw refuse(file, "\(file.name) names a folder, that of \(folder.name)")
            }
        }
        for (input, identity) in identified(read) {
            if let (file, _) = outputs.first(where: { $0.identity == identity }) {
                throw refuse(
                    file, "\(file.name) would replace the file that \(input.name) names; name another file")
            }
            if let (file, _) = removed.first(where: { $0.identity == identity }) {
                throw refuse(
                    file,
                    "\(file.name) would remove the file that \(input.name) names; "
                        + "keep a copy elsewhere and name that, or name another folder")
            }
        }
    }
}

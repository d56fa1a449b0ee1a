package import Reading
internal import Yams

/// The clusters of a library by the names that people give devices: `H100`, `NVIDIA H100 80GB HBM3`, `4090`.
///
/// A name fits a cluster if it is one of the file's `aliases`, if it is the device's name in the file, or if it consists
/// of parts of the file's name (`h100-80g-sxm`) in any order. Case, spaces, punctuation and makers' names do not count.
package struct ClusterNames {
    /// One cluster file and its names.
    package struct Entry: Hashable, Sendable {
        /// Name of the file, without folder and ending.
        package var file: String
        /// Path of the file.
        package var path: String
        /// Further names of the device, as the file states them.
        package var aliases: [String]
        /// `aliases` and the device's name, squashed.
        fileprivate var squashedNames: Set<String>
        /// Parts of the file's name, each with its other spellings.
        fileprivate var parts: [ClusterNamePart]
    }

    /// The clusters that a name fits.
    package enum Match: Hashable, Sendable {
        /// One cluster is meant. The name fits `others` too if there are any.
        case found(file: String, others: [String])
        /// The name fits none, or several of which none is the usual one.
        case unclear
    }

    package let entries: [Entry]

    package init(library: Library) {
        entries = library.clusterNames.compactMap { file in
            library.clusterFile(file).map { Entry(file: file, path: $0) }
        }
    }

    /// The cluster that `name` means.
    package func match(_ name: String) -> Match {
        let wanted = Self.squashed(name)
        guard !wanted.isEmpty else { return .unclear }
        // The whole name of a file, in another spelling.
        let exact = entries.filter { Self.squashed($0.file) == wanted }
        if exact.count == 1 { return .found(file: exact[0].file, others: []) }
        let fitting = entries.filter { $0.fits(wanted) }
        let named = entries.filter { $0.squashedNames.contains(wanted) }
        if named.count == 1 {
            return .found(file: named[0].file, others: fitting.map(\.file).filter { $0 != named[0].file })
        }
        guard named.isEmpty, let first = fitting.first else { return .unclear }
        if fitting.count == 1 { return .found(file: first.file, others: []) }
        // `A100 80GB` fits two files. The file that is called `A100` is the usual one.
        let usual = fitting.filter { entry in
            entry.parts.contains { $0.isModel && wanted.contains($0.text) && entry.squashedNames.contains($0.text) }
        }
        guard usual.count == 1 else { return .unclear }
        return .found(file: usual[0].file, others: fitting.map(\.file).filter { $0 != usual[0].file })
    }

    /// The files that were probably meant by a name that fits none: at most six, in alphabetical order.
    package func suggestions(for name: String) -> [String] {
        let wanted = Self.squashed(name)
        guard !wanted.isEmpty else { return [] }
        // A slip in the whole name of a file: `a100-80g-smx`.
        let slips = entries.map { ($0.file, Spelling.distance(wanted, Self.squashed($0.file))) }
        if let least = slips.map(\.1).min(), least <= wanted.count / 6 {
            return slips.filter { $0.1 == least }.map(\.0)
        }
        // The beginning of a name: `tpu`, `gaudi`, `mi3`.
        let begun = entries.filter { $0.begins(wanted) }.map(\.file)
        if !begun.isEmpty { return begun.count <= 6 ? begun : [] }
        // A known device with a word too many: `H100 NVL`.
        let told = entries.filter { entry in
            entry.parts.contains { $0.isModel && $0.text.count >= 3 && wanted.contains($0.text) }
        }.map(\.file)
        if !told.isEmpty { return told.count <= 6 ? told : [] }
        return misspelt(wanted)
    }

    /// The files with a name nearest to `wanted`. Of names equally near, those that share the longest beginning count.
    private func misspelt(_ wanted: String) -> [String] {
        var best: (distance: Int, shared: Int) = (max(1, wanted.count / 3), 0)
        var files: [String] = []
        for entry in entries {
            let models = entry.parts.filter(\.isModel).map(\.text)
            let names = entry.squashedNames.union(models).union([Self.squashed(entry.file)])
            let near = names.map { name in
                (distance: Spelling.distance(wanted, name), shared: zip(name, wanted).prefix { $0 == $1 }.count)
            }.min { ($0.distance, -$0.shared) < ($1.distance, -$1.shared) }
            guard let near, (near.distance, -near.shared) <= (best.distance, -best.shared) else { continue }
            if (near.distance, near.shared) != best { files = [] }
            best = near
            files.append(entry.file)
        }
        return files.count <= 6 ? files : []
    }

    /// Makers and families that may stand before a device's name.
    private static let makers: Set<String> = [
        "nvidia", "amd", "intel", "google", "aws", "amazon", "huawei", "habana", "geforce", "instinct", "tesla",
        "quadro", "cloud", "gpu", "gpus", "tensor", "core", "accelerator",
    ]

    /// A name in small letters and digits alone, without its maker.
    fileprivate static func squashed(_ name: String) -> String {
        // No name is longer, and the limit bounds the work on hostile input.
        words(String(name.prefix(64))).filter { !makers.contains($0) }.joined()
    }

    fileprivate static func words(_ name: String) -> [String] {
        name.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }
}

/// A part of a cluster file's name, such as `80g` of `h100-80g-sxm`.
private struct ClusterNamePart: Hashable, Sendable {
    var text: String
    /// The part and its other spellings.
    var spellings: [String]
    /// Whether the part tells which device it is; a memory size or the form of a board does not.
    var isModel: Bool

    init(_ text: String) {
        self.text = text
        let isMemory = text.last == "g" && text.dropLast().allSatisfy(\.isNumber) && text.count > 1
        isModel = !isMemory && text.contains(where: \.isNumber)
        if isMemory {
            spellings = [text + "b", text, String(text.dropLast())]
        } else if text == "sxm" {
            // Hopper's socket is SXM5, Ampere's SXM4, and so on.
            spellings = ["sxm2", "sxm3", "sxm4", "sxm5", "sxm6", text]
        } else {
            spellings = [text]
        }
    }
}

extension ClusterNames.Entry {
    fileprivate init(file: String, path: String) {
        self.file = file
        self.path = path
        parts = ClusterNames.words(file).map(ClusterNamePart.init)
        // A file that cannot be read is refused when it is asked for by its own name.
        var files = ReadFiles()
        let node = try? YAMLFile.compose(path: path, files: &files)
        aliases = node?["aliases"]?.sequence?.compactMap { $0.scalar?.string } ?? []
        let device = node?["device"]?.mapping?["name"]?.scalar?.string
        squashedNames = Set((aliases + [device].compactMap(\.self)).map(ClusterNames.squashed))
        squashedNames.remove("")
    }

    /// Whether `wanted` consists of parts of the file's name, one of which tells the device.
    fileprivate func fits(_ wanted: String) -> Bool {
        consists(wanted[...], of: parts) { $0.contains(where: \.isModel) }
    }

    /// Whether `wanted` begins a name of this file, or consists of parts of it that do not tell the device.
    fileprivate func begins(_ wanted: String) -> Bool {
        guard wanted.count >= 2 else { return false }
        return consists(wanted[...], of: parts, lastMayBeCut: true) { _ in true }
            || squashedNames.contains { $0.hasPrefix(wanted) }
    }

    /// Whether `text` consists of some of `parts`, each used at most once, which `isEnough`.
    private func consists(
        _ text: Substring, of parts: [ClusterNamePart], used: [ClusterNamePart] = [], lastMayBeCut: Bool = false,
        isEnough: ([ClusterNamePart]) -> Bool
    ) -> Bool {
        if text.isEmpty { return isEnough(used) }
        for (index, part) in parts.enumerated() {
            if lastMayBeCut, part.text.hasPrefix(text), isEnough(used + [part]) { return true }
            var rest = parts
            rest.remove(at: index)
            for spelling in part.spellings where text.hasPrefix(spelling) {
                let left = text.dropFirst(spelling.count)
                if consists(left, of: rest, used: used + [part], lastMayBeCut: lastMayBeCut, isEnough: isEnough) {
                    return true
                }
            }
        }
        return false
    }
}

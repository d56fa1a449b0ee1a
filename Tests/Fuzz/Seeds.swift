import Foundation
import Numbers
import Plans
import Reading
import TestSupport

/// What is read.
enum Kind: Int, CaseIterable {
    case plan, cluster, framework, actions, checkpoint, options

    /// Inputs of this kind in a hundred.
    var share: Int {
        switch self {
        case .plan: 30
        case .cluster, .actions, .checkpoint: 16
        case .framework: 10
        case .options: 12
        }
    }

    /// The kind of the input that `seed` makes.
    init(_ random: inout SplitMix64) {
        var place = random.below(Kind.allCases.reduce(0) { $0 + $1.share })
        self = .plan
        for kind in Kind.allCases {
            self = kind
            place -= kind.share
            if place < 0 { return }
        }
    }
}

/// Valid inputs, and the folder of small files that they name.
struct Seeds {
    let library: Library
    /// By kind.
    private let texts: [[[UInt8]]]
    private let mutations: [Mutation]

    func texts(_ kind: Kind) -> [[UInt8]] { texts[kind.rawValue] }
    func mutation(_ kind: Kind) -> Mutation { mutations[kind.rawValue] }

    /// - Parameters:
    ///   - root: the package.
    ///   - scratch: an empty folder.
    init(root: String, scratch: String) throws {
        let files = FileManager.default
        // Few and small files, so that an input costs little beside its own reading.
        for (folder, names) in [
            ("cluster", ["v100-32g-sxm", "laptop"]), ("frameworks", ["torch-fsdp", "megatron-core"]),
            ("plans/models", ["llama2-7b", "gpt3-175b", "deepseek-v3"]),
        ] {
            try files.createDirectory(atPath: "\(scratch)/\(folder)", withIntermediateDirectories: true)
            for name in names {
                let text = try String(contentsOfFile: "\(root)/\(folder)/\(name).yaml", encoding: .utf8)
                try Self.bare(text).write(
                    toFile: "\(scratch)/\(folder)/\(name).yaml", atomically: false, encoding: .utf8)
            }
        }
        library = Library(folders: [scratch])
        func read(_ folder: String, _ keep: (String) -> Bool = { _ in true }) throws -> [[UInt8]] {
            try files.contentsOfDirectory(atPath: "\(root)/\(folder)").sorted().filter { $0.hasSuffix(".yaml") }
                .map { Array(Self.bare(try String(contentsOfFile: "\(root)/\(folder)/\($0)", encoding: .utf8)).utf8) }
                .filter { $0.count < 4000 }
        }
        // Only what is valid with the few files above.
        let library = library
        let plans = try (SeedPlans.texts.map { Array($0.utf8) } + read("plans/strategies")).filter { text in
            (try? Plan.read(text: String(decoding: text, as: UTF8.self), path: "plan.yaml", library: library)) != nil
        }
        let clusters = try (SeedPlans.clusters.map { Array($0.utf8) } + read("cluster")).filter { text in
            (try? Cluster.read(text: String(decoding: text, as: UTF8.self), path: "c.yaml", library: library)) != nil
        }
        guard plans.count > SeedPlans.texts.count, clusters.count > SeedPlans.clusters.count else {
            throw Problem("the seeds are not valid: \(plans.count) plans, \(clusters.count) clusters")
        }
        let frameworks = try read("frameworks")
        let actions = SeedPlans.actionLists.map { Array($0.utf8) }
        let headers = SeedPlans.headers.map { Array($0.utf8) }
        texts = [plans, clusters, frameworks, actions, headers, []]
        let keys = Self.words(plans) + SeedPlans.words
        mutations = [
            Mutation(words: keys, donors: plans), Mutation(words: Self.words(clusters), donors: clusters),
            Mutation(words: Self.words(frameworks), donors: frameworks),
            Mutation(
                words: ["0F0", "1B2", "0I0", "0W0", "(0F1;2B0)OVERLAP_F_B", "999999999F0", "0F999999999", "1F"],
                donors: actions, isLoose: false),
            Mutation(words: Self.words(headers), donors: headers, isLoose: false), Mutation(words: keys, donors: plans),
        ]
    }

    /// Without comments and sources, which nothing reads.
    private static func bare(_ text: String) -> String {
        text.split(separator: "\n").map { line in line.range(of: " #").map { line[..<$0.lowerBound] } ?? line }
            .filter { line in
                let start = line.drop { $0 == " " }
                return !start.isEmpty && !start.hasPrefix("#") && !start.hasPrefix("source:")
            }
            .joined(separator: "\n") + "\n"
    }

    private static func words(_ texts: [[UInt8]]) -> [String] {
        var words: Set<String> = []
        for text in texts {
            for word in String(decoding: text, as: UTF8.self).split(whereSeparator: {
                !$0.isLetter && !$0.isNumber && $0 != "-" && $0 != "."
            })
            where word.count < 24 {
                words.insert(String(word))
            }
        }
        return words.sorted()
    }
}

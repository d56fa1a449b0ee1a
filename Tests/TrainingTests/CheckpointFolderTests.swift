import Foundation
import Models
import Numbers
import Plans
import Tensors
import TestSupport
import Testing
import Training

/// A state that is saved by ranks of one layout is the same for ranks of any other.
@Suite struct CheckpointFolderTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    static let rules: [UpdateRule] = [
        .adamw(AdamW(), halfMoments: false), .adamw(AdamW(), halfMoments: true), .lion(Lion()),
        .sgd(SGD(momentum: 0)),
    ]

    @Test(arguments: rules, [false, true]) func everyCutHoldsTheSameState(rule: UpdateRule, hasExperts: Bool) throws {
        let state = SavedState(model: hasExperts ? SavedState.experts : SavedState.gpt, rule: rule)
        var path = folder["step-000001"]
        let first = try state.save([state.alone()], at: path)
        let whole = try SavedState.whole(path, in: folder)
        #expect(whole.count > first.stateBytes)
        // From one cut into the next.
        let cuts =
            hasExperts ? SavedState.cuts.filter { $0.pipeline == 1 } + SavedState.expertCuts : SavedState.cuts
        for (index, cut) in cuts.enumerated() {
            let (ranks, share) = try state.load(cut, from: path)
            #expect(share <= 1, "\(cut.name): \(share)")
            path = folder["step-\(100_000 + index)"]
            let saved = try state.save(ranks, at: path)
            // Every element is written once, and evenly where all ranks hold the same.
            #expect(saved.stateBytes == first.stateBytes, "\(cut.name)")
            if cut.pipeline == 1, cut.expert == 1, cut.expertTensor == 1, cut.sharding == .none {
                #expect(
                    Double(saved.mostStateBytes * ranks.count) <= 1.05 * Double(saved.stateBytes), "\(cut.name)")
            }
            #expect(try SavedState.whole(path, in: folder) == whole, "\(cut.name)")
            try CheckpointFolder(path: path).checkTensors(reads: true)
        }
    }

    @Test func patternsAreTheRunsTheyStandFor() throws {
        var random = SplitMix64(seed: 5)
        for _ in 0..<200 {
            var (runs, whole): ([ElementRun], Int) = ([], 0)
            for _ in 0..<Int(random.next() % 12) + 1 {
                let (gap, count) = (Int(random.next() % 3) * 4, Int(random.next() % 2) * 3 + 2)
                runs.append(
                    ElementRun(
                        local: (runs.last?.local ?? 0) + (runs.last?.count ?? 0), whole: whole + gap, count: count))
                whole += gap + count
            }
            let patterns = RunPattern.patterns(of: runs)
            #expect(RunPattern.runs(of: patterns) == runs)
            #expect(patterns.allSatisfy { RunPattern($0.numbers, size: whole) == $0 })
        }
    }

    @Test(arguments: [
        [0, Int.max], [Int.max, 1], [Int.max, Int.max], [0, 1, Int.max, 2], [0, 1, 1 << 62, 4], [0, 1, 1, Int.max],
        [1, 8], [-1, 2], [0, 0], [0, 4, 2, 2], [0, 4, 4, 0], [0, 4, 4, 3], [0], [0, 1, 1], [],
    ]) func runsOutsideATensorAreNone(numbers: [Int]) {
        #expect(RunPattern(numbers, size: 8) == nil)
    }

    @Test func aManifestOfAnotherFormatNamesBoth() throws {
        let state = SavedState(model: SavedState.gpt, rule: Self.rules[0])
        let path = folder["step-000001"]
        try state.save([state.alone()], at: path)
        var manifest = try CheckpointFolder(path: path).manifest
        manifest.format = 2
        try manifest.text().write(to: URL(filePath: path + "/checkpoint.json"))
        let problem = try #require(throws: CheckpointProblem.self) { try CheckpointFolder(path: path) }
        #expect(problem.error.description.contains("format is 2 in the checkpoint and 1 here"))
    }

    /// Whatever happens to a checkpoint's files, they are refused or hold what was saved.
    @Test func damageIsNeverTakenForAState() throws {
        let state = SavedState(model: SavedState.gpt, rule: Self.rules[0])
        let good = folder["step-000001"]
        try state.save([state.alone()], at: good)
        let cut = SavedState.Cut(name: "tensor 2", tensor: 2)
        let path = folder["step-000002"]
        try state.save(state.load(cut, from: good).ranks, at: path)
        let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        let files = try Dictionary(
            uniqueKeysWithValues: names.map { ($0, try Data(contentsOf: URL(filePath: path + "/" + $0))) })
        let whole = try SavedState.whole(path, in: folder)
        var (random, refused) = (SplitMix64(seed: 20), 0)
        for round in 0..<400 {
            let name = names[Int(random.next() % UInt64(names.count))]
            guard var bytes = files[name] else { continue }
            let place = Int(random.next() % UInt64(bytes.count))
            switch random.next() % 6 {
            case 0: bytes = bytes.prefix(place)
            case 1: bytes.append(contentsOf: [UInt8](repeating: 0, count: place % 9 + 1))
            case 2:
                bytes.replaceSubrange(
                    place..<min(place + 64, bytes.count), with: Data(count: min(64, bytes.count - place)))
            // Most of the bytes of a share are tensors; half of these damages are in its header.
            case 3: bytes[min(place % 4096, bytes.count - 1)] ^= UInt8(1 << (random.next() % 8))
            case 4: bytes = Data()
            default: bytes[place] ^= UInt8(1 << (random.next() % 8))
            }
            try bytes.write(to: URL(filePath: path + "/" + name))
            do {
                let opened = try CheckpointFolder(path: path)
                try opened.checkTensors(reads: true)
                #expect(try SavedState.whole(path, in: folder) == whole, "round \(round), \(name)")
            } catch is CheckpointProblem {
                refused += 1
            }
            try files[name]?.write(to: URL(filePath: path + "/" + name))
        }
        #expect(refused > 380, "\(refused)")
        try FileManager.default.removeItem(atPath: path + "/" + names[1])
        #expect(throws: CheckpointProblem.self) { try CheckpointFolder(path: path) }
    }

    /// Headers that lie although every checksum fits them.
    @Test(arguments: [
        (#""data_offsets":[0,"#, #""data_offsets":[9223372036854775807,"#),
        (#""data_offsets":[0,"#, #""data_offsets":[-1,"#), (#""data_offsets":[0,"#, #""data_offsets":[4,"#),
        ("data_offsets\":[0,6144]", "data_offsets\":[0,9223372036854775807]"),
        ("data_offsets\":[0,6144]", "data_offsets\":[9223372036854775800,9223372036854775807]"),
        ("data_offsets\":[0,6144]", "data_offsets\":[0,6140]"), ("data_offsets\":[0,6144]", "data_offsets\":[6144,0]"),
        (#""dtype":"F32""#, #""dtype":"I64""#), (#""dtype":"F32""#, #""dtype":"BF16""#),
        (#"\"shape\":[64,24]"#, #"\"shape\":[4611686018427387904,24]"#), (#"\"shape\":[64,24]"#, #"\"shape\":[64,0]"#),
        (#"\"shape\":[64,24]"#, #"\"shape\":[]"#), (#"\"runs\":[[0,1536]]"#, #"\"runs\":[[0,9223372036854775807]]"#),
        (#"\"runs\":[[0,1536]]"#, #"\"runs\":[[9223372036854775807,1536]]"#),
        (#"\"runs\":[[0,1536]]"#, #"\"runs\":[[0,768],[0,768]]"#), (#"\"runs\":[[0,1536]]"#, #"\"runs\":[[0,1535]]"#),
        (#"\"runs\":[[0,1536]]"#, #"\"runs\":{}"#), (#"\"runs\""#, #"\"run\""#), (#"\"sum\":\""#, #"\"sum\":\"zz"#),
        ("trainyard.pieces", "trainyard.piece"),
    ]) func headersThatLieAreRefused(from: String, to: String) throws {
        let state = SavedState(model: SavedState.gpt, rule: Self.rules[0])
        let path = folder["step-000001"]
        try state.save([state.alone()], at: path)
        var manifest = try CheckpointFolder(path: path).manifest
        let file = URL(filePath: path + "/" + manifest.files[0].name)
        let bytes = try Data(contentsOf: file)
        let length = 8 + Int(bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        let text = String(decoding: bytes[8..<length], as: UTF8.self)
        try #require(text.contains(from), "\(text.prefix(3000))")
        var header = Data(text.replacing(from, with: to, maxReplacements: 1).utf8)
        header = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header
        try (header + bytes[length...]).write(to: file)
        manifest.files[0].bytes = header.count + bytes.count - length
        manifest.files[0].header = SHA256.digits(of: header)
        try manifest.text().write(to: URL(filePath: path + "/checkpoint.json"))
        #expect(throws: CheckpointProblem.self) { try CheckpointFolder(path: path).checkTensors(reads: true) }
        // Whoever loads finds it out, too.
        #expect(throws: CheckpointProblem.self) {
            try StateDictionary(state.alone(), rule: state.rule, model: state.model).load(
                from: CheckpointFolder(path: path))
        }
    }
}

import Foundation
import Models
import Numbers
import Plans
import Reading
import TestSupport
import Testing

/// Models with kinds of block and features: written, read, and overridden by a plan.
@Suite struct ModelKindTests {
    private func text(_ model: Model, rest: String = "devices: 1\nbatch: 1\nlayout: auto\n") -> String {
        "model:\n" + model.yaml.map { "  \($0)\n" }.joined() + "cluster: a100-80g-sxm\n" + rest
    }

    @Test func modelsAreReadAsTheyAreWritten() throws {
        let models = RandomShapes.models(400, seed: 3)
        #expect(models.contains { $0.kinds.count > 2 } && models.contains { $0.kinds.isEmpty })
        for model in models { #expect(try PlanText.read(text(model)).model == model, "\(text(model))") }
    }

    /// Through the writer of whole plans, whose reader gives the same plan.
    @Test func plansKeepTheirModels() throws {
        for (number, model) in RandomShapes.models(100, seed: 4).enumerated() {
            var plan = try PlanText.read(text(model))
            if number % 2 == 0 { plan.model.name = "mine" }
            var read = try PlanText.read(plan.yaml(library: Checkout.library))
            (plan.remarks, read.remarks) = ([], [])
            // A written plan states its precision.
            read.openKeys = plan.openKeys
            #expect(read == plan)
        }
    }

    // MARK: - Patterns

    private func blocks(_ pattern: String, layers: Int) throws -> [String] {
        let text = """
            model:
              {family: llama, layers: \(layers), hidden: 64, heads: 4, ffn: 128, vocab: 256, sequence: 64,
               kinds: {a: {window: 8}, b: {}, c1: {heads: 2}}, pattern: \(pattern)}
            cluster: a100-80g-sxm
            devices: 1
            batch: 1
            layout: auto
            """
        let model = try PlanText.read(text).model
        return model.pattern.map { model.kinds[$0].name }
    }

    /// A pattern drawn as a tree, as text and written out.
    private func pattern(depth: Int, _ numbers: inout SplitMix64) -> (text: String, blocks: [String]) {
        var (words, blocks): ([String], [String]) = ([], [])
        for _ in 0..<Int.random(in: 1...3, using: &numbers) {
            let isGroup = depth < 4 && Int.random(in: 0..<3, using: &numbers) == 0
            var (word, names) = ("", [String]())
            if isGroup {
                let inner = pattern(depth: depth + 1, &numbers)
                (word, names) = ("(\(inner.text))", inner.blocks)
            } else {
                word = ["a", "b", "c1"][Int.random(in: 0..<3, using: &numbers)]
                names = [word]
            }
            let times = Int.random(in: 0..<5, using: &numbers)
            words.append(times > 0 ? "\(word)*\(times)" : word)
            for _ in 0..<max(1, times) { blocks += names }
        }
        return (words.joined(separator: " "), blocks)
    }

    @Test func patternsMeanTheBlocksTheyRepeat() throws {
        var numbers = SplitMix64(seed: 5)
        for _ in 0..<200 {
            let drawn = pattern(depth: 0, &numbers)
            guard drawn.blocks.count <= 2000 else { continue }
            #expect(try blocks("'\(drawn.text)'", layers: drawn.blocks.count) == drawn.blocks, "\(drawn.text)")
            let list = "[\(drawn.blocks.joined(separator: ", "))]"
            #expect(try blocks(list, layers: drawn.blocks.count) == drawn.blocks)
        }
    }

    /// A list becomes a text that means the list, no longer than its runs of equal names.
    @Test func listsAreReadAsTheyAreWritten() throws {
        var numbers = SplitMix64(seed: 6)
        var model = Model(family: .llama, layers: 1, hidden: 64, heads: 4, vocab: 256, sequence: 64)
        model.kinds = ["a", "b", "c1"].map { BlockKind(name: $0, shape: model.block) }
        for round in 0..<300 {
            let period = Int.random(in: 1...9, using: &numbers)
            let kind = (0..<period).map { _ in Int.random(in: 0..<(round % 3 + 1), using: &numbers) }
            model.layers = Int.random(in: 1...60, using: &numbers)
            model.pattern = (0..<model.layers).map { kind[$0 % period] }
            let line = try #require(model.yaml.last)
            #expect(line.hasPrefix("pattern: "))
            let text = String(line.dropFirst("pattern: ".count))
            #expect(try blocks("'\(text)'", layers: model.layers) == model.pattern.map { model.kinds[$0].name })
            #expect(text.split(separator: " ").count <= model.layers)
        }
        model.pattern = (0..<48).map { $0 % 6 == 5 ? 1 : 0 }
        #expect(model.yaml.last == "pattern: (a*5 b)*8")
        model.pattern = [0, 0, 0]
        #expect(model.yaml.last == "pattern: a*3")
        model.pattern = [2]
        #expect(model.yaml.last == "pattern: c1")
    }

    /// The longest models there are: as many blocks alike, two by two, and in no order.
    @Test func longPatternsAreWritten() throws {
        var model = Model(family: .llama, layers: 10_000, hidden: 64, heads: 4, vocab: 256, sequence: 64)
        model.kinds = ["a", "b"].map { BlockKind(name: $0, shape: model.block) }
        var numbers = SplitMix64(seed: 7)
        for pattern in [
            (0..<10_000).map { _ in 0 }, (0..<10_000).map { $0 % 2 },
            (0..<10_000).map { _ in Int.random(in: 0..<2, using: &numbers) },
        ] {
            model.pattern = pattern
            let line = try #require(model.yaml.last)
            let text = String(line.dropFirst("pattern: ".count))
            #expect(try blocks("'\(text)'", layers: 10_000) == pattern.map { model.kinds[$0].name })
        }
    }

    static let hostile: [String] = [
        "((((", "))))", ")(", "()", "( )", "a*0", "a*-1", "a*", "*3", "a**2", "a*2*2", "a*999999999", "a*9999999",
        "a*99999999999999999999999", "(a*999999)*999999", "((((((a*99)*99)*99)*99)*99)*99)*99", "a*1.5", "a*³",
        "a*٣", "(a", "a)", "a*2)", "é*2", "🚂", "a*2🚂", "\u{202e}a", "a;b", "a|b", "a+b", "{a}",
        String(repeating: "(", count: 100_000), String(repeating: "a ", count: 50_000),
        String(repeating: "(a)", count: 33_000), String(repeating: "a*9 ", count: 25_000),
        String(repeating: "(", count: 50_000) + "a" + String(repeating: ")", count: 50_000),
        String(repeating: "x", count: 100_000),
        String(repeating: "(", count: 15) + "a*9999"
            + String(repeating: ")*9999", count: 15),
    ]

    /// One problem in one line, which does not repeat a text of any length.
    @Test(arguments: hostile.indices) func whatIsNoPatternIsSaid(_ index: Int) {
        let text = BadPlan.good.replacing(
            "  layers: 12", with: "  layers: 12\n  kinds: {a: {window: 8}}\n  pattern: \"\(Self.hostile[index])\"")
        let problems = PlanText.problems(text)
        #expect(problems.count == 1, "\(Self.hostile[index].prefix(40)): \(problems)")
        for problem in problems {
            #expect(problem.contains("plan.yaml:5:12: model.pattern: "), "\(problem)")
            #expect(!problem.contains("\n") && problem.count < 400)
        }
    }

    // MARK: - Overrides

    /// A library with a model of three kinds: one like the base, one with another window, one of other heads.
    private func library() throws -> (TemporaryFolder, Library) {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder["models"], withIntermediateDirectories: true)
        _ = try folder.write(
            """
            name: mixed
            family: llama
            layers: 6
            hidden: 64
            heads: 4
            ffn: 128
            vocab: 256
            sequence: 64
            window: 8
            kinds:
              same: {}
              wide: {window: none, ffn: 256}
              few: {heads: 2, headSize: 32, chunk: none}
            pattern: (same wide few)*2
            """, as: "models/mixed.yaml")
        return (folder, Library(folders: [folder.path] + Checkout.library.folders))
    }

    /// The kinds of that model in a plan with more `keys` behind its name.
    private func kinds(_ keys: String) throws -> [String: BlockShape] {
        let (folder, library) = try library()
        let text = "model: {name: mixed\(keys)}\ncluster: a100-80g-sxm\ndevices: 1\nbatch: 1\nlayout: auto\n"
        let model = try Plan.read(text: text, path: folder["plan.yaml"], library: library).model
        return Dictionary(uniqueKeysWithValues: model.kinds.map { ($0.name, $0.shape) })
    }

    @Test func aKeyOfTheBaseChangesTheKindsThatHadItsValue() throws {
        let before = try kinds("")
        #expect(before["same"]?.window == 8 && before["wide"]?.window == nil && before["few"]?.window == 8)
        let windows = try kinds(", window: 16")
        #expect(windows["same"]?.window == 16 && windows["wide"]?.window == nil && windows["few"]?.window == 16)
        let widths = try kinds(", ffn: 512")
        #expect(widths["same"]?.ffn == 512 && widths["wide"]?.ffn == 256 && widths["few"]?.ffn == 512)
        let none = try kinds(", window: none")
        #expect(none.values.allSatisfy { $0.window == nil })
    }

    /// Heads that follow from others follow them in the kinds too.
    @Test func whatFollowsFromAKeyFollowsInTheKinds() throws {
        let heads = try kinds(", heads: 8")
        #expect(heads["same"]?.heads == 8 && heads["same"]?.kvHeads == 8 && heads["same"]?.headSize == 8)
        #expect(heads["wide"]?.heads == 8 && heads["wide"]?.headSize == 8)
        #expect(heads["few"]?.heads == 2 && heads["few"]?.kvHeads == 2 && heads["few"]?.headSize == 32)
        let hidden = try kinds(", hidden: 128")
        #expect(hidden["same"]?.headSize == 32 && hidden["few"]?.headSize == 32)
    }

    @Test func newKindsReplaceTheOld() throws {
        let new = try kinds(", kinds: {one: {window: none}}, pattern: one*6")
        #expect(Array(new.keys) == ["one"] && new["one"]?.window == nil && new["one"]?.ffn == 128)
    }
}

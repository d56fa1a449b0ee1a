import Foundation
import Reading
import TestSupport
import Testing

import Plans

/// A plan with one line changed, and what is said about it.
struct BadPlan: Sendable, CustomTestStringConvertible {
    var replace: String
    var with: String
    var said: String

    init(_ replace: String, _ with: String, _ said: String) {
        self.replace = replace
        self.with = with
        self.said = said
    }

    var testDescription: String { with }

    /// A sound plan.
    static let good = """
        model:
          family: gpt
          layers: 12
          hidden: 768
          heads: 12
          vocab: 50304
          sequence: 1024
        tokens: 10B
        cluster: a100-80g-sxm
        devices: 8
        batch: 64
        precision: bf16
        layout:
          tensor: 2
          pipeline: 2
          data: 2
          microbatch: 4
        """
}

@Suite struct BadPlanTests {
    @Test func thePlanTheCasesStartFromIsSound() { #expect(PlanText.problems(BadPlan.good) == []) }

    @Test(arguments: [
        BadPlan(
            "  tensor: 2", "  tensro: 2",
            "plan.yaml:14:3: layout.tensro: unknown key; did you mean 'tensor'?"),
        BadPlan(
            "batch: 64", "batch: 64\nrun: {idel: 3 %}", "plan.yaml:12:7: run.idel: unknown key; did you mean 'idle'?"),
        BadPlan("batch: 64", "batch: 64\nrun: {idle: -1}", "run.idle: must be"),
        BadPlan("batch: 64", "batch: 64\nrun: {practice: 0}", "run.practice: must be"),
        BadPlan("batch: 64", "btach: 64", "plan.yaml:11:1: btach: unknown key; did you mean 'batch'?"),
        BadPlan(
            "  layers: 12", "  layers: twelve",
            "plan.yaml:3:11: model.layers: must be a whole number from 1 to 10,000 (found 'twelve')"),
        BadPlan(
            "  layers: 12", "  layers: [12]",
            "plan.yaml:3:11: model.layers: must be a whole number from 1 to 10,000 (found a list)"),
        BadPlan("  layers: 12", "  layers: 0", "model.layers: must be a whole number from 1 to 10,000 (found '0')"),
        BadPlan("  layers: 12", "  layers: -3", "model.layers: must be a whole number from 1 to 10,000 (found '-3')"),
        BadPlan("  layers: 12", "  layers: 1e15", "must be a whole number from 1 to 10,000 (found '1e15')"),
        BadPlan("  layers: 12", "  layers: 2.5", "must be a whole number from 1 to 10,000 (found '2.5')"),
        BadPlan("  layers: 12", "  layers: .nan", "model.layers: must be a finite number (found '.nan')"),
        BadPlan("  layers: 12", "  layers: .inf", "model.layers: must be a finite number (found '.inf')"),
        BadPlan("  layers: 12", "  layers: 012", "model.layers: a leading zero makes a number ambiguous"),
        BadPlan(
            "  layers: 12", "  layers: 1:30", "model.layers: must be a whole number from 1 to 10,000 (found '1:30')"),
        BadPlan("  layers: 12", "  layers:", "plan.yaml:3:3: model.layers: has no value"),
        BadPlan("  layers: 12\n", "", "plan.yaml:2:3: model.layers: is missing; e.g. layers: 32"),
        BadPlan("tokens: 10B", "tokens: 10 GiB", "tokens: must be a number such as 300e9, 300B or 3T (found '10 GiB')"),
        BadPlan("tokens: 10B", "tokens: 1e30", "tokens: must be at most 1e+18"),
        BadPlan("devices: 8", "devices: 0", "devices: must be a whole number from 1 to 10,000,000"),
        BadPlan("devices: 8", "devices: 16", "set layout.data to 4, or devices to 8"),
        BadPlan(
            "  heads: 12", "  heads: 7", "plan.yaml:5:10: model.heads: must divide hidden 768 (found 7); use 6 or 8"),
        BadPlan("  heads: 12", "  heads: 12\n  kvHeads: 5", "model.kvHeads: must divide heads 12 (found 5)"),
        BadPlan("batch: 64", "batch: 60", "must divide batch 60 (found 4); a batch of 56 or 64 would do"),
        BadPlan("  layers: 12", "  layers: 1", "2 stages need at least as many layers, the model has 1"),
        BadPlan("  tensor: 2\n  pipeline: 2", "  tensor: 4\n  pipeline: 1\n  sequenceParallel: yes", "write true"),
        BadPlan("  tensor: 2", "  tensor: 2\n  schedule: 1f1c", "did you mean '1f1b'?"),
        BadPlan("  tensor: 2", "  tensor: 2\n  recompute: some", "must be none, selective or full (found 'some')"),
        BadPlan("  tensor: 2", "  tensor: 2\n  layersPerStage: [5, 5]", "must sum to model.layers 12, it sums to 10"),
        BadPlan("  tensor: 2", "  tensor: 2\n  layersPerStage: [4, 4, 4]", "must name 2 stages"),
        BadPlan("  tensor: 2", "  tensor: 2\n  expert: 8", "the model has no experts to spread"),
        BadPlan(
            "  tensor: 2", "  tensor: 2\n  overlap: {dat: true}",
            "layout.overlap.dat: unknown key; did you mean 'data'?"),
        BadPlan("cluster: a100-80g-sxm", "cluster: a100-80g-smx", "did you mean 'a100-80g-sxm'?"),
        BadPlan("cluster: a100-80g-sxm", "cluster: nowhere/x.yaml", "no such file"),
        BadPlan("cluster: a100-80g-sxm", "cluster: {extends: a100-80g-sxm, nicGbs: 9}", "did you mean 'nicGbps'?"),
        BadPlan("cluster: a100-80g-sxm", "cluster: {devicesPerNode: 8}", "cluster.device.memory: is missing"),
        BadPlan("precision: bf16", "precision: bf16\nname: \"a\\nb\"", "name: must be one line of text"),
        BadPlan("precision: bf16", "precision: bf16\ntrain: 5", "train: must be a map of keys and values (found '5')"),
        BadPlan("precision: bf16", "precision: bf61", "did you mean 'bf16'?"),
        BadPlan(
            "cluster: a100-80g-sxm", "cluster: v100-32g-sxm", "has no rate for it (found 'bf16'); use fp32 or fp16"),
        BadPlan("layout:\n", "layout: best\nlayuot:\n", "layout: must be auto or a map of degrees (found 'best')"),
        BadPlan("tokens: 10B", "tokens: 10B\ntokens: 20B", "tokens: the same key twice in one map (first in line "),
        BadPlan("tokens: 10B", "tokens: [10B", "plan.yaml:"),
        BadPlan("tokens: 10B", "tokens: 10B\n---\na: 1", "is not YAML"),
    ])
    func saysWhatIsWrong(_ bad: BadPlan) {
        #expect(BadPlan.good.contains(bad.replace))
        let lines = PlanText.problems(BadPlan.good.replacing(bad.replace, with: bad.with))
        #expect(lines.contains { $0.contains(bad.said) }, "\(lines)")
    }

    /// A key that is written twice is reported with both places, and so is everything else that is wrong.
    @Test func repeatedKeysHideNothing() {
        let text = """
            model: {params: 7B, "params": 8B}
            cluster: a100-80g-sxm
            devices: 0
            batch: 8
            layuot: auto
            batch: 9
            batch: -1
            """
        #expect(
            PlanText.problems(text) == [
                "plan.yaml:1:21: model.params: the same key twice in one map (first in line 1, column 9); keep one of them",
                "plan.yaml:3:10: devices: must be a whole number from 1 to 10,000,000 (found '0')",
                "plan.yaml:5:1: layuot: unknown key; did you mean 'layout'?",
                "plan.yaml:6:1: batch: the same key twice in one map (first in line 4, column 1); keep one of them",
                "plan.yaml:7:1: batch: the same key twice in one map (first in line 4, column 1); keep one of them",
                "plan.yaml:7:8: batch: must be a whole number from 1 to 100,000,000 (found '-1')",
            ])
    }

    /// Text that is no YAML after a repeated key gets both lines.
    @Test func repeatedKeysBesideOtherErrors() {
        #expect(PlanText.problems("a: 1\na: 2\nb: [1\n").count == 1)
        let curve = PlanText.problems(
            "model: {params: 7B}\ncluster: {extends: a100-80g-sxm, device: {attentionEfficiency: {512: 0.2, 512: 0.3}}}\n"
                + "devices: 8\nbatch: 8\n")
        #expect(curve.contains { $0.contains("the same size twice in one map (found '512')") }, "\(curve)")
    }

    @Test(arguments: [
        ("name: {hf: config.json}", "model.name: must be text"),
        ("hf: config.json", "no Hugging Face configuration there"),
        ("params: 100B, moe: {experts: 8}", "model.moe.topK: is missing"),
        ("params: 100B, mla: {kvRank: 8}", "model.mla.nopeSize: is missing"),
        ("params: 5", "10 million to 20 trillion"), ("params: -1", "must be at least 0"),
        ("params: 100B, layers: 12", "params chooses the blocks itself"),
        ("params: 7B, name: llama2-7b", "one of name, params and hf, not 2 of them"),
        ("name: gpt3-176b", "did you mean 'gpt3-175b'?"), ("nam: x", "model.nam: unknown key; did you mean 'name'?"),
        ("family: llama, layers: 1, hidden: 8, heads: 1, vocab: 8, sequence: 8", "model.ffn: is missing"),
    ])
    func saysWhatIsWrongWithAModel(_ model: String, _ said: String) {
        let lines = PlanText.problems("model: {\(model)}\ncluster: a100-80g-sxm\ndevices: 8\nbatch: 8\n")
        #expect(lines.contains { $0.contains(said) }, "\(lines)")
    }

    @Test(arguments: [
        ("steps: 0", "train.steps: must be a whole number from 1"), ("learningRate: 0", "must be above 0"),
        ("learningRate: .nan", "must be a finite number"), ("betas: [0.9]", "must be two numbers"),
        ("betas: [0.9, 1.5]", "train.betas[1]: must be at most"), ("order: random", "must be shuffled or sequential"),
        ("tokenizer: gpt2", "must be bytes"), ("seed: -1", "train.seed: must be a whole number from 0"),
        ("checkpoint: {every: 0}", "train.checkpoint.every: must be"),
        ("stateCheck: {every: 0}", "train.stateCheck.every: must be"), ("stateCheck: {often: 1}", "train.stateCheck"),
        ("tokenizer: 5", "must be bytes, or the path"), ("documents: mixed", "must be joined, packed or apart"),
        ("endOfDocument: 3", "ends documents, and they are joined"),
        ("validation: {}", "train.validation: must say what is held out"),
        ("validation: {share: 2}", "train.validation.share: must be at most 0.99"),
        ("validation: {share: 0}", "train.validation.share: must be above 0"),
        ("validation: {share: 0.1, data: b.txt}", "both say what is held out"),
        ("validation: {share: 0.1, every: 0}", "train.validation.every: must be"),
        ("validation: {share: 0.1, batches: 0}", "train.validation.batches: must be"),
        ("validation: {data: []}", "train.validation.data: must name a file"),
        ("mup: {}", "train.mup.baseWidth: is missing"), ("mup: 64", "train.mup: must be a map"),
        ("mup: {baseWidth: 0}", "train.mup.baseWidth: must be a whole number from 1"),
        ("mup: {baseWidth: 8, width: 3}", "train.mup.width"),
        ("maxSkippedSteps: -1", "train.maxSkippedSteps"), ("clip: -1", "must be at least 0"),
        ("minLearningRate: 1", "must not exceed learningRate"), ("stepz: 5", "did you mean 'steps'?"),
    ])
    func saysWhatIsWrongWithTraining(_ line: String, _ said: String) {
        let lines = PlanText.problems(
            """
            model: {family: gpt, layers: 1, hidden: 8, heads: 1, vocab: 256, sequence: 8}
            batch: 2
            train:
              data: a.txt
              \(line)
            """)
        #expect(lines.contains { $0.contains(said) }, "\(lines)")
    }

    @Test(arguments: [
        ("[]", "train.data: must name a file at least"), ("{path: a.txt}", "train.data: must be a file, or a list"),
        ("[{weight: 1}]", "train.data[0].path: is missing"), ("[a.txt, [b.txt]]", "train.data[1]: must be a map"),
        ("[{path: a.txt, weight: -1}]", "train.data[0].weight: must be at least 0"),
        ("[{path: a.txt, weight: .nan}]", "train.data[0].weight: must be a finite number"),
        ("[{path: a.txt, weight: 0}, {path: b.txt, weight: 0}]", "train.data: has weights whose sum is 0"),
        ("[{path: a.txt, wait: 1}]", "train.data[0].wait: unknown key"),
    ])
    func saysWhatIsWrongWithACorpus(_ data: String, _ said: String) {
        let lines = PlanText.problems(
            """
            model: {family: gpt, layers: 1, hidden: 8, heads: 1, vocab: 256, sequence: 8}
            batch: 2
            train: {steps: 3, data: \(data)}
            """)
        #expect(lines.count == 1 && lines[0].contains(said), "\(lines)")
    }

    @Test func everyProblemIsReportedAtOnceInTheOrderOfTheFile() {
        let lines = PlanText.problems(
            BadPlan.good.replacing("  heads: 12", with: "  heads: seven").replacing("tensor", with: "tensro")
                .replacing("batch: 64", with: "batch: -1"))
        #expect(lines.count == 3)
        #expect(lines.map { $0.prefix(12) } == ["plan.yaml:5:", "plan.yaml:11", "plan.yaml:14"])
    }

    @Test func onlyRulesBetweenSoundValuesAreMisfits() {
        let misfit = #expect(throws: PlanProblems.self) {
            try PlanText.read(BadPlan.good.replacing("devices: 8", with: "devices: 16"))
        }
        #expect(misfit?.isMisfitOnly == true)
        let input = #expect(throws: PlanProblems.self) {
            try PlanText.read(BadPlan.good.replacing("devices: 8", with: "devises: 16"))
        }
        #expect(input?.isMisfitOnly == false)
    }

    @Test(arguments: [
        ("", "is empty"), ("   \n# only a comment\n", "is empty"), ("- 1\n- 2\n", "must be a map"),
        ("word", "must be a map"),
    ])
    func saysWhatIsWrongWithTheWholeFile(_ text: String, _ said: String) {
        let lines = PlanText.problems(text)
        #expect(lines.count == 1)
        #expect(lines.first?.contains(said) == true, "\(lines)")
    }

    /// Nothing ends a command without a word.
    @Test func noProblemAtAllIsAProblemToo() {
        #expect(PlanProblems([]).description.contains("no rule says what"))
        #expect(!PlanProblems([]).isMisfitOnly)
    }

    @Test(arguments: [
        (
            "Unknown option '--colr'. Did you mean '--colour'?",
            "unknown option '--colr'; did you mean '--colour'? See 'a b --help'"
        ),
        ("Unknown option '--foo'. Did you mean '--json'?", "unknown option '--foo'; see 'a b --help'"),
        ("Missing expected argument '<file>'", "missing expected argument '<file>'; see 'a b --help'"),
        ("--top takes 1 to 2, not 3.", "--top takes 1 to 2, not 3; see 'a b --help'"),
        ("EncodingError: of\nseveral lines", "EncodingError: of several lines; see 'a b --help'"),
    ])
    func usageIsOneLine(_ message: String, _ said: String) {
        let help = "Error: \(message)\nUsage: a b\n  See 'a b --help' for more information."
        #expect(Wording.usage(message, help: help) == said)
        #expect(Wording.usage("Out of paper", help: "Error: Out of paper") == "out of paper")
    }

    @Test func missingFilesAndDirectoriesAreNamed() {
        let missing = #expect(throws: PlanProblems.self) {
            try Plan.read(path: "nowhere/none.yaml", library: Checkout.library)
        }
        #expect(missing?.description == "nowhere/none.yaml: no such file")
        let folder = #expect(throws: PlanProblems.self) {
            try Plan.read(path: Checkout.root, library: Checkout.library)
        }
        #expect(folder?.description.contains("is a directory") == true)
    }

    @Test func bytesThatAreNotTextAreRefused() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Data([0xff, 0xfe, 0x00, 0xd8]), as: "plan.yaml")
        let error = #expect(throws: PlanProblems.self) { try Plan.read(path: path, library: Checkout.library) }
        #expect(error?.description.contains("is not UTF-8 text") == true)
    }
}

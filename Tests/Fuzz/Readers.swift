import Costs
import Foundation
import Numbers
import Planner
import Plans
import Reading
import Reports
import Schedules
import Simulator
import TestSupport
import Training

/// How far an input came.
struct Outcome {
    /// Whether the text is of its language (YAML, JSON, a list of actions), whatever it says.
    var parsed = false
    /// Whether it was read without a problem and what it describes was computed.
    var accepted = false
    /// What was said about it; empty for an accepted one.
    var messages: [String] = []
}

/// Reads one input of every kind as the programs do, and computes what it describes.
struct Readers {
    let seeds: Seeds
    /// A folder for files.
    let scratch: String
    private let basis: Plan
    /// Numbers of all sizes, more than the tensors of any checkpoint hold.
    private let weights: [UInt8]

    init(seeds: Seeds, scratch: String) throws {
        self.seeds = seeds
        self.scratch = scratch
        var random = SplitMix64(seed: 1)
        weights = (0..<6000).flatMap { _ in
            let value = Float(random.below(2000) - 1000) / 10_000
            return withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
        }
        basis = try Plan.read(text: SeedPlans.texts[0], path: "plan.yaml", library: seeds.library)
    }

    /// The input of a kind, by `random`.
    func input(_ kind: Kind, _ random: inout SplitMix64) -> [UInt8] {
        guard kind != .options else { return [] }
        let text = random.pick(seeds.texts(kind))
        // The costs of actions or the numbers of weights behind the text are made up too.
        if kind == .actions || kind == .checkpoint, random.once(in: 4) { return text }
        return seeds.mutation(kind).applied(to: text, &random)
    }

    func read(_ kind: Kind, _ bytes: [UInt8], _ random: inout SplitMix64) -> Outcome {
        switch kind {
        case .plan: priced(bytes, &random, plan)
        case .cluster: priced(bytes, &random, cluster)
        case .framework: priced(bytes, &random, framework)
        case .actions: actions(bytes, &random)
        case .checkpoint: checkpoint(bytes, &random)
        case .options: Options.read(&random, library: seeds.library)
        }
    }

    // MARK: plans, clusters, frameworks

    /// Prices the plan that `plan` makes of the text.
    private func priced(
        _ bytes: [UInt8], _ random: inout SplitMix64,
        _ plan: (String, inout SplitMix64) throws(PlanProblems) -> Plan
    ) -> Outcome {
        guard let text = String(validating: bytes, as: UTF8.self) else { return Outcome(messages: ["not text"]) }
        do throws(PlanProblems) {
            return Pricing.price(try plan(text, &random), &random)
        } catch {
            return Self.outcome(error)
        }
    }

    private func plan(_ text: String, _ random: inout SplitMix64) throws(PlanProblems) -> Plan {
        let devices = random.once(in: 8) ? Int(random.pick(Mutation.numbers)) : nil
        let plan = try Plan.read(text: text, path: "plan.yaml", devices: devices, library: seeds.library)
        if random.once(in: 10) {
            // A real run's plan is read by other rules and never priced.
            _ = try Plan.read(text: text, path: "plan.yaml", library: seeds.library, isRun: true)
        }
        return plan
    }

    private func cluster(_ text: String, _ random: inout SplitMix64) throws(PlanProblems) -> Plan {
        var plan = basis
        plan.cluster = try Cluster.read(text: text, path: "cluster.yaml", library: seeds.library)
        plan.precision = plan.cluster.device.trainingPrecision
        if random.once(in: 8) { _ = plan.cluster.yaml(comment: "a comment") }
        return plan
    }

    private func framework(_ text: String, _ random: inout SplitMix64) throws(PlanProblems) -> Plan {
        let framework = try Framework.read(text: text, path: "framework.yaml", library: seeds.library)
        var plan = basis
        plan.frameworks = Frameworks([framework])
        plan.frameworks.named = framework.name
        return plan
    }

    static func outcome(_ problems: PlanProblems) -> Outcome {
        let words = problems.problems.map { $0.rule.isEmpty ? "" : $0.description }
        return Outcome(
            parsed: !problems.problems.contains {
                $0.rule.hasPrefix("is not YAML") || $0.rule.hasPrefix("the same key")
            },
            messages: words.isEmpty ? [""] : words)
    }

    // MARK: action lists

    private func actions(_ bytes: [UInt8], _ random: inout SplitMix64) -> Outcome {
        guard let text = String(validating: bytes, as: UTF8.self) else { return Outcome(messages: ["not text"]) }
        let schedule: Schedule
        do throws(ActionListProblem) {
            schedule = try ActionListReader.read(text, name: "lists")
        } catch {
            return Outcome(parsed: !error.description.hasPrefix("it is not the JSON"), messages: [error.description])
        }
        let times = (0..<schedule.stages).map { _ in
            random.once(in: 20) ? random.pick([1e-300, 1e15, 1e-9, 0.1]) : Double(1 + random.below(3))
        }
        let costs = ActionCosts(
            forward: times, backwardInput: times, backwardWeight: times, transfer: random.once(in: 2) ? 0 : 0.25,
            transferMode: random.pick([.asynchronous, .link, .blocking]))
        do throws(SimulationProblem) {
            let timeline = try Simulator.simulate(schedule, costs: costs)
            if random.once(in: 8) { _ = TimelineText(unit: .steps).drawing(of: timeline) }
            if random.once(in: 16) { _ = TimelineSVG(unit: .steps).drawing(of: timeline) }
            if random.once(in: 16) { _ = timeline.chromeTrace() }
            return Outcome(parsed: true, accepted: true)
        } catch {
            if case .schedule(let violation) = error {
                return Outcome(parsed: true, messages: [schedule.words(violation)])
            }
            return Outcome(parsed: true, messages: [error.description])
        }
    }

    // MARK: checkpoints

    private func checkpoint(_ header: [UInt8], _ random: inout SplitMix64) -> Outcome {
        var length = UInt64(header.count)
        if random.once(in: 12) {
            length = random.pick([0, 1, 7, .max, 1 << 63, 100_000_000, length &+ 1, length &- 1])
        }
        var bytes = withUnsafeBytes(of: length.littleEndian) { Array($0) } + header
        // More than the tensors of any seed take.
        let data = random.once(in: 8) ? random.below(24_000) : 24_000
        let same = [UInt8](repeating: UInt8(random.below(256)), count: data)
        bytes += random.once(in: 8) ? same : Array(weights.prefix(data))
        let path = scratch + "/weights.safetensors"
        do { try Data(bytes).write(to: URL(filePath: path)) } catch { return Outcome(messages: ["\(error)"]) }
        var outcome = Outcome()
        do {
            let file = try SafeTensorsFile(path: path)
            outcome.parsed = true
            _ = try Checkpoint.model(of: file)
            let source = try GenerationSource(path, tokenizer: nil)
            let settings = GenerationSession.Settings(
                tokens: 1, sampling: Sampling(temperature: 0.8), seed: random.next())
            let prompt = random.once(in: 8) ? String(decoding: [UInt8(random.below(256))], as: UTF8.self) : "A"
            _ = try TextGeneration(source, settings, prompts: [prompt], stopWords: []).run(over: nil) { _, _, _ in }
            outcome.accepted = true
        } catch {
            outcome.messages = ["\(error)"]
        }
        return outcome
    }
}

internal import Costs
internal import Inference
package import Models
internal import Numbers
internal import Planner
package import Plans

/// The fewest devices of each kind that train a model, or answer with it.
package struct SmallestClusters: Sendable {
    /// What the devices are for.
    package enum Use: String, Hashable, Sendable, CaseIterable, Codable {
        /// Training of all weights; of adapters beside frozen weights in 16 bits; and in 4 bits.
        case full, lora, qlora
        /// Answering with weights in 16, 8 and 4 bits.
        case answer16, answer8, answer4

        package var trains: Bool { self == .full || self == .lora || self == .qlora }
    }

    package struct Cell: Hashable, Sendable {
        /// By memory alone; nil: more than `most`.
        package var devices: Int?
        /// That end before the deadline, and the days they take; nil: none up to `most`, or no deadline was given.
        package var byDeadline: Int?
        package var days: Double?
    }

    package struct Row: Sendable {
        package var cluster: Cluster
        package var cells: [Use: Cell]
    }

    /// What is asked beside the model and the devices.
    package struct Question: Sendable {
        package var model: Model
        /// Tokens of a training run, and the days that it may take; nil: memory alone.
        package var tokens: Double?
        package var days: Double?
        /// Sequences that answer at the same time, and tokens of a prompt and of an answer.
        package var batch = 1
        package var prompt: Int
        package var output: Int

        package init(model: Model, prompt: Int, output: Int) {
            (self.model, self.prompt, self.output) = (model, prompt, output)
        }
    }

    /// Most devices that are tried.
    package static let most = 16_384
    /// Most devices that are tried of a kind slower than any accelerator, where it trains.
    private static let mostSlow = 64
    /// Adapters of all matrices, of the rank that PEFT's and QLoRA's examples use most.
    package static let rank = 16

    package let question: Question
    package let rows: [Row]

    /// - Parameter threads: concurrent workers; nil: one a core.
    package init(_ question: Question, clusters: [Cluster], frameworks: Frameworks, threads: Int? = nil) {
        self.question = question
        let uses = Use.allCases
        // Each use of each cluster by itself, since some take much longer than others.
        let cells = parallelMap(clusters.count * uses.count, threads: threads) { index in
            Self.cell(uses[index % uses.count], question, clusters[index / uses.count], frameworks)
        }
        rows = clusters.enumerated().map { number, cluster in
            let own = cells[number * uses.count..<(number + 1) * uses.count]
            return Row(cluster: cluster, cells: Dictionary(uniqueKeysWithValues: zip(uses, own)))
        }
    }

    private static func cell(
        _ use: Use, _ question: Question, _ cluster: Cluster, _ frameworks: Frameworks
    ) -> Cell {
        guard use.trains else { return Cell(devices: answering(use, question, cluster)) }
        let plan = training(use, question, cluster, frameworks)
        var settings = SearchSettings()
        settings.threads = 1
        // Processor cores and phones train small models alone.
        let isSlow = cluster.device.peakFLOPs.values.max() ?? 0 < Device.slowestAccelerator
        var cell = Cell(devices: fewestDevices(plan, upTo: isSlow ? mostSlow : most, settings: settings))
        guard cell.devices != nil, question.tokens != nil, let days = question.days else { return cell }
        var limits = RunLimits()
        limits.days = days
        // Closed forms, which are within a few hundredths of the simulator, choose the number.
        settings.simulates = false
        if let run = try? limitedRun(plan, keeping: limits, most: most, settings: settings) {
            (cell.byDeadline, cell.days) = (run.estimate.plan.devices, run.estimate.run?.days)
        }
        return cell
    }

    private static func answering(_ use: Use, _ question: Question, _ cluster: Cluster) -> Int? {
        let whole: StoredFormat = cluster.device.peakFLOPs[.bf16] != nil ? .bf16 : .fp16
        let weights: StoredFormat =
            switch use {
            case .answer8: .eightBits(on: cluster.device)
            case .answer4: .fourBits(on: cluster.device)
            default: whole
            }
        let work = Workload(
            weights: weights, cache: whole, batch: question.batch, prompt: question.prompt, output: question.output)
        let asked = ServingQuestion(model: question.model, cluster: cluster, work: work)
        return (try? asked.fewestDevices()).flatMap { $0 }
    }

    private static func training(
        _ use: Use, _ question: Question, _ cluster: Cluster, _ frameworks: Frameworks
    ) -> Plan {
        var model = question.model
        let adapters = LoRA(rank: rank, alpha: Double(rank), targetModules: [LoRA.allLinear])
        switch use {
        case .lora: model.tune(Tuning(lora: adapters))
        case .qlora: model.tune(Tuning(lora: adapters, quantized: Quantization()))
        default: break
        }
        let wanted = Model.defaultBatch(
            parameters: Double(question.model.parameters().total), sequence: model.sequence)
        var plan = Plan(
            name: "fits", model: model, tokens: question.tokens, cluster: cluster, devices: 1, batch: wanted,
            precision: cluster.device.trainingPrecision, layout: nil, remarks: [], frameworks: frameworks,
            wantedBatch: wanted)
        plan.openKeys = [.precision, .framework]
        return plan
    }
}

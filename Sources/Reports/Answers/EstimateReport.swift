package import Costs
internal import Foundation
internal import Models
internal import Numbers
package import Planner
internal import Plans
package import Reading
internal import Schedules

/// The JSON document of one estimate. The names are those of `docs/json.md` and stay as they are.
package struct EstimateReport: Encodable, Sendable {
    struct Model: Encodable {
        var parameters, activeParameters, layers, hidden: Int
        var mtpLayers: Int?
        /// Absent where training changes all parameters.
        var trainedParameters: Int?
    }

    struct Cluster: Encodable {
        var name, device: String
        /// Devices that are paid for, those that train, and those that stay idle.
        var devices, usedDevices, idleDevices: Int
        /// Absent where all nodes are of one kind.
        var groups: [EstimateGroup]?
    }

    struct Layout: Encodable {
        var data, tensor, pipeline, virtualStages, context, expert, microbatch, globalBatch, microbatches: Int
        var schedule, recompute, sharding: String
        var sequenceParallel: Bool
        /// `expertTensor` is absent where it is 1, the others where the layout states none.
        var expertTensor, shardGroup: Int?
        var recomputeLayers: RecomputeLayers?
        var recomputeMethod: String?
        var recomputeEvery: Int?
        var recomputeModules: [String]?
        /// Blocks of every stage; absent where all hold as many.
        var layersPerStage: [Int]?
        /// These are absent where the layout leaves them to their defaults.
        var contextExchange: String?
        var contextHeads: Int?
        var dispatcher, outerSharding, vocabularyParallel: String?
        var flashAttention: Bool?
        var gradients: String?
        var overlap: Overlap?
        var offload: Offload?

        /// Keys that say nothing are absent.
        struct Offload: Encodable {
            var optimizer: FlagOrNumber?
            var gradients, parameters: Bool?
            var activations: FlagOrNumber?
            var overlap: Bool?

            /// `true`, a share or a number of blocks.
            enum FlagOrNumber: Encodable {
                case all
                case share(Double)
                case blocks(Int)

                func encode(to encoder: any Encoder) throws {
                    switch self {
                    case .all: try true.encode(to: encoder)
                    case .share(let share): try share.encode(to: encoder)
                    case .blocks(let count): try count.encode(to: encoder)
                    }
                }
            }
        }

        struct Overlap: Encodable {
            var data, tensor, pipeline, expert: Bool
            /// Absent where it is false.
            var sharedExperts: Bool?
        }

        /// One number for all stages, or one for each.
        enum RecomputeLayers: Encodable {
            case all(Int)
            case each([Int])

            func encode(to encoder: any Encoder) throws {
                switch self {
                case .all(let count): try count.encode(to: encoder)
                case .each(let counts): try counts.encode(to: encoder)
                }
            }
        }
    }

    struct Iteration: Encodable {
        var seconds: Double
        var tokens: Int
        var modelFLOPs, hardwareFLOPs: Double
        var breakdown: Estimate.Breakdown
        /// Idle share of the pipeline's ranks; absent without a pipeline.
        var bubbleFraction: Double?
    }

    struct Throughput: Encodable {
        var tokensPerSecond, tokensPerSecondPerDevice, modelTFLOPsPerDevice, mfu, mfuCausal, hfu: Double
    }

    struct Memory: Encodable {
        struct Rank: Encodable {
            var rank: Int
            var weightsGiB, gradientsGiB, optimizerGiB, activationsGiB, otherGiB, peakGiB: Double
            /// In the host's memory, of one device; absent where nothing is offloaded.
            var hostGiB: Double?
        }

        var peakGiB, capacityGiB: Double
        var fits: Bool
        var byRank: [Rank]
        /// Memory of the fullest host and of every host; absent where nothing is offloaded.
        var hostGiB, hostCapacityGiB: Double?
        /// The rank that fills the largest part of its device's memory, which `peakGiB` and `capacityGiB` are of, and the
        /// place of its group; absent where all nodes are of one kind.
        var fullestRank, tightestGroup: Int?
    }

    struct Recipe: Encodable {
        var scaling: String
        var parameterGather, activationFuncFP8InputStore: Bool
        var bf16LayersAtStart, bf16LayersAtEnd: Int
    }

    struct Loss: Encodable {
        var kind: String
        /// Absent where rows are not taken in chunks.
        var chunks: Int?
    }

    /// The software that the plan is priced on.
    struct Framework: Encodable {
        var name: String
        /// Whether the plan states the software; otherwise it is assumed.
        var stated: Bool
        /// The product and release that the plan names; absent where it names the framework itself or none.
        var product: String?
        /// Its constants that the runs of fewer than two publications fix; absent where there are none.
        var assumedConstants: [String]?
        /// Prices on other software that may be meant; absent where the plan names its own.
        var others: [Other]?

        struct Other: Encodable {
            var name: String
            var seconds: Double
        }
    }

    var plan: String
    var framework: Framework
    /// The layouts that a search tried; absent where the plan states its layout.
    var searched: SearchedSpace?
    var model: Model
    var cluster: Cluster
    var layout: Layout
    /// The formats of products in 8 or 4 bits; absent where no recipe is stated or implied.
    var recipe: Recipe?
    /// The optimizer; absent where it is AdamW in fp32.
    var optimizer: [String: String]?
    /// The computation of the loss; absent where it is the standard one.
    var loss: Loss?
    var iteration: Iteration
    var throughput: Throughput
    var memory: Memory
    /// The whole run; absent when the plan states no tokens.
    var run: Run?
    /// What may become of the run; absent unless asked for.
    var risk: RiskReport?
    /// The arithmetic behind the figures; absent unless asked for.
    var explanation: [Estimate.Explanation]?
    /// Remarks; present where the estimate is the whole document.
    var notes: [Remark]?
    /// The plan's own layout, where the estimate is the best of a search that was asked for all the same.
    var yours: OwnReport?

    /// - Parameter notes: remarks, where the estimate is the whole document.
    package init(
        _ estimate: Estimate, explained: Bool = false, searched: SearchedSpace? = nil, own: OwnLayout? = nil,
        notes: [Remark]? = nil, risk: RiskReport? = nil
    ) {
        (self.notes, self.risk) = (notes, risk)
        yours = own.map(OwnReport.init)
        let plan = estimate.plan
        let layout = estimate.layout
        framework = Framework(
            name: plan.framework(for: layout).name, stated: plan.frameworks.named != nil,
            product: plan.frameworks.product?.text)
        let assumed = plan.framework(for: layout).assumedConstants.map(\.rawValue)
        if !assumed.isEmpty { framework.assumedConstants = assumed }
        if !plan.otherSoftware.isEmpty {
            framework.others = plan.otherSoftware.map { Framework.Other(name: $0.name, seconds: $0.seconds) }
        }
        self.searched = searched
        self.plan = plan.name
        model = Model(
            parameters: Int(saturating: estimate.parameters),
            activeParameters: Int(saturating: estimate.activeParameters),
            layers: plan.model.layers, hidden: plan.model.hidden, mtpLayers: plan.model.mtp?.layers,
            trainedParameters: plan.model.tuning == nil ? nil : plan.model.trainedParameters)
        cluster = Cluster(
            name: plan.cluster.name,
            device: plan.cluster.groups == nil ? plan.cluster.device.name : plan.cluster.deviceWords,
            devices: plan.paidDevices, usedDevices: plan.devices, idleDevices: plan.idleDevices,
            groups: EstimateGroup.all(estimate))
        self.layout = Layout(
            data: layout.data, tensor: layout.tensor, pipeline: layout.pipeline, virtualStages: layout.virtualStages,
            context: layout.context, expert: layout.expert, microbatch: layout.microbatch, globalBatch: plan.batch,
            microbatches: estimate.microbatches, schedule: layout.schedule.rawValue,
            recompute: layout.recompute.rawValue, sharding: layout.sharding.rawValue,
            sequenceParallel: layout.sequenceParallel,
            expertTensor: layout.expertTensor > 1 ? layout.expertTensor : nil,
            shardGroup: layout.shardGroup, recomputeLayers: Layout.RecomputeLayers(layout.recomputed),
            recomputeMethod: { if case .runs = layout.recomputed { "uniform" } else { nil } }(),
            recomputeEvery: { if case .every(let step) = layout.recomputed { step } else { nil } }(),
            recomputeModules: layout.recomputeModules.isEmpty ? nil : layout.recomputeModules.names.map(\.rawValue),
            layersPerStage: StagePartition.written(layout, model: plan.model),
            contextExchange: layout.contextExchange == .ring ? nil : layout.contextExchange.rawValue,
            contextHeads: layout.contextHeads, dispatcher: layout.dispatcher?.rawValue,
            outerSharding: layout.outerSharding == .none ? nil : layout.outerSharding.rawValue,
            vocabularyParallel: layout.vocabularyParallel?.rawValue,
            flashAttention: layout.flashAttention ? nil : false, gradients: layout.gradients?.rawValue,
            overlap: layout.overlap == .standard(with: layout.schedule)
                ? nil
                : Layout.Overlap(
                    data: layout.overlap.data, tensor: layout.overlap.tensor, pipeline: layout.overlap.pipeline,
                    expert: layout.overlap.expert, sharedExperts: layout.overlap.sharedExperts ? true : nil),
            offload: layout.offload.map(Layout.Offload.init))
        recipe = plan.recipe.map {
            Recipe(
                scaling: $0.scaling.rawValue, parameterGather: $0.parameterGather,
                activationFuncFP8InputStore: $0.activationFuncFP8InputStore,
                bf16LayersAtStart: $0.bf16LayersAtStart, bf16LayersAtEnd: $0.bf16LayersAtEnd)
        }
        optimizer =
            plan.optimizer == Optimizer()
            ? nil : Dictionary(plan.optimizer.fields.map { ($0.key, $0.value) }) { first, _ in first }
        loss =
            plan.loss == LossComputation()
            ? nil
            : Loss(kind: plan.loss.kind.rawValue, chunks: plan.loss.kind == .chunked ? plan.loss.chunks : nil)
        iteration = Iteration(
            seconds: estimate.iteration.seconds, tokens: Int(saturating: estimate.iteration.tokens),
            modelFLOPs: estimate.iteration.modelFLOPs, hardwareFLOPs: estimate.iteration.hardwareFLOPs,
            breakdown: estimate.iteration.breakdown,
            bubbleFraction: layout.pipeline > 1 ? estimate.iteration.bubbleFraction : nil)
        let devices = Double(plan.paidDevices)
        throughput = Throughput(
            tokensPerSecond: estimate.tokensPerSecond, tokensPerSecondPerDevice: estimate.tokensPerSecond / devices,
            modelTFLOPsPerDevice: estimate.iteration.modelFLOPs / estimate.iteration.seconds / devices / 1e12,
            mfu: estimate.mfu, mfuCausal: estimate.mfuCausal, hfu: estimate.hfu)
        memory = Memory(
            peakGiB: Figures.gib(estimate.peakMemory), capacityGiB: Figures.gib(estimate.capacity),
            fits: estimate.fits,
            byRank: estimate.memoryByRank.map { Self.rank($0, offloads: layout.offload != nil) },
            hostGiB: estimate.hostMemory.map(Figures.gib),
            hostCapacityGiB: estimate.fullestHost.map { Figures.gib($0.capacity) },
            fullestRank: estimate.stageGroups.flatMap { _ in estimate.fullest?.rank },
            tightestGroup: estimate.tightestGroup)
        run = estimate.run.map { run in
            Run(
                tokens: plan.tokens ?? 0, steps: Int(saturating: min(run.steps.rounded(.up), 9e18)),
                days: run.ended?.days, gpuHours: run.ended?.gpuHours, gpuMonths: run.ended?.gpuMonths,
                goodput: run.goodput, cost: run.ended?.cost, energyMWh: run.ended?.energyMWh,
                wallEnergyMWh: run.ended?.wallEnergyMWh,
                band: Run.Band(
                    lowDays: run.ended?.lowDays, highDays: run.ended?.highDays, confidence: run.confidence,
                    reason: run.bandReason),
                rampup: run.rampup.map {
                    Run.Rampup(steps: Int(saturating: min($0.steps, 9e18)), days: run.ends ? $0.days : nil)
                }, parts: run.ended?.parts, measuredFactor: run.measuredFactor,
                checkpointInterval: run.checkpointInterval,
                currency: run.ended?.cost == nil ? nil : run.currency.rawValue,
                costs: plan.money.costs.isEmpty ? nil : run.ended?.costs, emissions: run.ended?.emissions,
                failures: run.interruptions.map { Run.Failures($0, days: run.ended?.days) },
                dates: plan.start.map { Run.Dates($0, run.ended) })
        }
        explanation = explained ? estimate.explanation : nil
    }

    private static func rank(_ memory: Estimate.RankMemory, offloads: Bool) -> Memory.Rank {
        Memory.Rank(
            rank: memory.rank, weightsGiB: Figures.gib(memory.weights), gradientsGiB: Figures.gib(memory.gradients),
            optimizerGiB: Figures.gib(memory.optimizer), activationsGiB: Figures.gib(memory.activations),
            otherGiB: Figures.gib(memory.other), peakGiB: Figures.gib(memory.peak),
            hostGiB: offloads ? Figures.gib(memory.host) : nil)
    }

    /// The document as text, keys in alphabetical order.
    package func json() throws -> String { try JSONDocument.text(self) }
}

extension EstimateReport.Layout.Offload {
    fileprivate init(_ offload: Plans.Layout.Offload) {
        if offload.optimizer > 0 { optimizer = offload.optimizer == 1 ? .all : .share(offload.optimizer) }
        if offload.gradients != offload.parameters { gradients = offload.gradients }
        if offload.parameters { parameters = true }
        switch offload.activations {
        case .none: break
        case .all: activations = .all
        case .first(let count): activations = .blocks(count)
        }
        if !offload.overlap { overlap = false }
    }
}

extension EstimateReport.Layout.RecomputeLayers {
    /// nil: the layout recomputes all blocks, or chooses them in another way.
    fileprivate init?(_ blocks: RecomputedBlocks) {
        switch blocks {
        case .all, .every: return nil
        case .first(let count), .runs(let count): self = .all(count)
        case .firstOfStage(let counts): self = .each(counts)
        }
    }
}

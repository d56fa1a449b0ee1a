package import Plans

/// The answer for one plan with one layout.
package struct Estimate: Hashable, Codable, Sendable {
    /// The plan with the layout that was priced.
    package var plan: Plan
    package var layout: Layout
    package var parameters: Double
    package var activeParameters: Double
    /// Micro-batches of an iteration on each pipeline.
    package var microbatches: Int
    package var iteration: Iteration
    /// Memory of each pipeline rank. Tensor, context and data ranks of one stage hold equal amounts.
    package var memoryByRank: [RankMemory]
    /// The whole run; nil if the plan has no `tokens`.
    package var run: Run?
    /// The arithmetic behind the figures, in the order of computation; empty until `explained` adds it.
    package var explanation: [Explanation]

    /// One training step.
    package struct Iteration: Hashable, Codable, Sendable {
        package var seconds: Double
        package var tokens: Double
        /// Model FLOPs, the numerator of MFU: full (non-causal) attention, no recomputation (Korthikanti et al. 2022,
        /// appendix A).
        package var modelFLOPs: Double
        /// Hardware FLOPs: model FLOPs and those of recomputation.
        package var hardwareFLOPs: Double
        package var breakdown: Breakdown
        /// Idle fraction of the pipeline's rank-seconds.
        package var bubbleFraction: Double
        package var pipeline: Pipeline
        /// Transfers that overlap with compute: those of the layout, or fewer if that is faster.
        package var hides: Layout.Overlap

        package init(
            seconds: Double, tokens: Double, modelFLOPs: Double, hardwareFLOPs: Double, breakdown: Breakdown,
            bubbleFraction: Double, pipeline: Pipeline = Pipeline(), hides: Layout.Overlap = Layout.Overlap()
        ) {
            self.pipeline = pipeline
            self.hides = hides
            self.seconds = seconds
            self.tokens = tokens
            self.modelFLOPs = modelFLOPs
            self.hardwareFLOPs = hardwareFLOPs
            self.breakdown = breakdown
            self.bubbleFraction = bubbleFraction
        }
    }

    package typealias Pipeline = PipelineSeconds
    package typealias Breakdown = StepBreakdown
    package typealias RankMemory = Costs.RankMemory

    /// The whole run of `plan.tokens`.
    package struct Run: Hashable, Codable, Sendable {
        package var steps: Double
        package var days: Double
        package var gpuHours: Double
        /// Fraction of wall-clock time that is training, after failures and checkpoints (Daly 2006).
        package var goodput: Double
        /// Cost of the run in `currency`; nil without a price of its devices.
        package var cost: Double?
        /// Energy of the boards: their power for every GPU-hour, as published totals are counted; nil if the power is
        /// unknown.
        package var energyMWh: Double?
        /// Energy of the whole site, nodes and cooling; nil if no power is known.
        package var wallEnergyMWh: Double?
        package var lowDays: Double
        package var highDays: Double
        /// Confidence of the band from `lowDays` to `highDays`.
        package var confidence: Double
        /// The evidence behind the width of the band, as a short phrase.
        package var bandReason = ""
        /// The steps with smaller batches at the start; nil if the batch is the same from the first step on.
        package var rampup: Rampup?

        /// A step as measurements make it expected, over its prediction; nil without measurements.
        package var measuredFactor: Double?

        /// Seconds of training between checkpoints that lose the least time to checkpoints and failures (Daly 2006); nil if no
        /// failures are known.
        package var checkpointInterval: Double?

        /// The days by what they are spent on.
        package var parts = Parts()

        /// The currency of `cost` and `costs`.
        package var currency = Currency.usd
        /// The cost by what it is paid for; nil without a price.
        package var costs: RunCostParts?
        /// CO2 of the energy; nil without a grid factor or power.
        package var emissions: Emissions?
        /// Failures and what each costs; nil if none are known.
        package var interruptions: Interruptions?

        /// Steps of a run before its batch has grown to the plan's.
        package struct Rampup: Hashable, Codable, Sendable {
            package var steps: Double
            package var days: Double
        }

        package init(
            steps: Double, days: Double, gpuHours: Double, goodput: Double, cost: Double?, energyMWh: Double?,
            wallEnergyMWh: Double? = nil, lowDays: Double, highDays: Double, confidence: Double
        ) {
            self.steps = steps
            self.days = days
            self.gpuHours = gpuHours
            self.goodput = goodput
            self.cost = cost
            self.energyMWh = energyMWh
            self.wallEnergyMWh = wallEnergyMWh
            self.lowDays = lowDays
            self.highDays = highDays
            self.confidence = confidence
        }

        /// GPU-months of the run; one GPU-month is 730 GPU-hours.
        package var gpuMonths: Double { gpuHours / RunCosts.hoursPerMonth }
    }

    /// One line of arithmetic: a figure, its formula, the numbers in the formula, and the source where it is published.
    package struct Explanation: Hashable, Codable, Sendable {
        /// A number in a formula.
        package struct Input: Hashable, Codable, Sendable {
            package var symbol: String
            package var value: Double
            /// The unit; empty for plain numbers.
            package var unit: String
            package var meaning: String

            package init(symbol: String, value: Double, unit: String, meaning: String) {
                self.symbol = symbol
                self.value = value
                self.unit = unit
                self.meaning = meaning
            }
        }

        package var figure: String
        /// Name of the figure in the formulas of other lines.
        package var symbol: String
        /// A `Formula` of the inputs' symbols.
        package var formula: String
        package var inputs: [Input]
        /// The formula's result.
        package var value: Double
        package var unit: String
        /// A note on the case at hand.
        package var note: String
        package var source: String

        package init(
            figure: String, symbol: String, formula: String, inputs: [Input], value: Double, unit: String,
            note: String = "", source: String = ""
        ) {
            self.figure = figure
            self.symbol = symbol
            self.formula = formula
            self.inputs = inputs
            self.value = value
            self.unit = unit
            self.note = note
            self.source = source
        }
    }

    package init(
        plan: Plan, layout: Layout, parameters: Double, activeParameters: Double, microbatches: Int,
        iteration: Iteration, memoryByRank: [RankMemory], run: Run?, explanation: [Explanation]
    ) {
        self.plan = plan
        self.layout = layout
        self.parameters = parameters
        self.activeParameters = activeParameters
        self.microbatches = microbatches
        self.iteration = iteration
        self.memoryByRank = memoryByRank
        self.run = run
        self.explanation = explanation
    }

    /// Peak bytes of the fullest rank.
    package var peakMemory: Double { peakMemory(.device) }
    /// Peak bytes of the fullest rank by the kind of memory counted: of the device, of the allocator, or of tensors
    /// only.
    package func peakMemory(_ kind: MemoryKind) -> Double {
        guard plan.cluster.groups == nil else { return fullest?.peak(kind) ?? 0 }
        return memoryByRank.map { $0.peak(kind) }.max() ?? 0
    }
    /// Whether the fullest rank fits and leaves free the part of the device that no allocator can use.
    package var fitsDevice: Bool { fits(within: Self.usableShare) }
    /// Whether every device fits, and every host too.
    package var fits: Bool { fitsDevice && fitsHost }
    /// Whether the fullest rank takes at most this fraction of its device's memory.
    package func fits(within share: Double) -> Bool { peakMemory <= share * capacity }
    /// The fullest host; nil if nothing is offloaded.
    package var fullestHost: HostMemory? {
        layout.offload == nil ? nil : HostMemory(memoryByRank.map(\.host), layout, plan)
    }
    /// Bytes of host memory in the fullest node; nil if nothing is offloaded.
    package var hostMemory: Double? { fullestHost?.bytes }
    /// Whether the hosts have room for what is offloaded.
    package var fitsHost: Bool { fullestHost?.fits ?? true }
    /// Fraction of a device's memory that can be filled.
    package static var usableShare: Double { CostConstants.usableShare }
    package var tokensPerSecond: Double { iteration.tokens / iteration.seconds }
    /// Datasheet rate of all devices that are paid for, at the plan's precision, FLOP/s.
    package var clusterPeak: Double {
        if let groups = plan.cluster.groups {
            return groups.list.reduce(0) { sum, group in
                sum + Double(group.devices) * (group.cluster.device.peakFLOPs[plan.precision] ?? .nan)
            }
        }
        return (plan.cluster.device.peakFLOPs[plan.precision] ?? .nan) * Double(plan.paidDevices)
            * plan.cluster.coreShare(plan.devices)
    }
    package var mfu: Double { iteration.modelFLOPs / iteration.seconds / clusterPeak }
    package var hfu: Double { iteration.hardwareFLOPs / iteration.seconds / clusterPeak }
}

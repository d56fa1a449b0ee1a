/// Seconds of a step by their use; the parts add up to the step.
package struct StepBreakdown: Hashable, Codable, Sendable {
    package var compute = 0.0
    package var recompute = 0.0
    package var tensorComm = 0.0
    package var pipelineBubble = 0.0
    package var pipelineComm = 0.0
    package var dataComm = 0.0
    package var contextComm = 0.0
    package var expertComm = 0.0
    package var optimizer = 0.0
    package var other = 0.0
    /// Copies to the host and back that no compute hides; nil: nothing is offloaded. Those of the optimizer's step are in
    /// `optimizer`.
    package var hostComm: Double?

    package init() {}

    package var sum: Double {
        compute + recompute + tensorComm + pipelineBubble + pipelineComm + dataComm + contextComm + expertComm
            + optimizer + other + (hostComm ?? 0)
    }
}

/// Seconds that all passes of a step take in the pipeline.
package struct PipelineSeconds: Hashable, Codable, Sendable {
    /// Seconds without messages.
    package var filled = 0.0
    /// Seconds with messages.
    package var span = 0.0
    /// Whether the simulator computed both. If not, the schedule's law did.
    package var isSimulated = false

    package init(filled: Double = 0, span: Double = 0) {
        self.filled = filled
        self.span = span
    }

    /// Seconds of waiting that are the difference of two times of this pipeline. The rounding of two equal times is not
    /// waiting.
    func waiting(_ difference: Double) -> Double { difference > Pricer.rounding * span ? difference : 0 }
}

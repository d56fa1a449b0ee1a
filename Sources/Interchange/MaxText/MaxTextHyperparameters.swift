extension MaxTextReading {
    /// The learning rate and its course, the optimizer's constants and the base of rotary positions.
    func readHyperparameters(into draft: inout PlanDraft) {
        draft.takeHyperparameters(
            reader,
            [
                ("learningRate", ["learning_rate"]), ("eps", ["adam_eps"]), ("weightDecay", ["adam_weight_decay"]),
                ("clip", ["gradient_clipping_threshold"]), ("seed", ["init_weights_seed"]),
                ("rotaryBase", ["rope_max_timescale"]),
            ])
        draft.takeBetas(reader, "adam_b1", "adam_b2", defaults: (0.9, 0.95))
        draft.takeSchedule(reader, "lr_schedule_type", ["cosine": "cosine"])
        let steps = reader.count("steps", in: -1...Int(1e12)).flatMap { $0 > 0 ? $0 : nil }
        // The course of the learning rate may have another length than the run; -1 is the run's.
        let course = reader.count("learning_rate_schedule_steps", in: -1...Int(1e12)).flatMap { $0 > 0 ? $0 : nil }
        draft.takeWarmup(reader, share: "warmup_steps_fraction", of: course ?? steps)
        for name in ["cosine_learning_rate_final_fraction", "learning_rate_final_fraction"] {
            draft.takeMinimum(reader, share: name, of: draft.learningRate)
        }
    }
}

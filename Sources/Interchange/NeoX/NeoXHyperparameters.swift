extension NeoXReading {
    /// The learning rate and its course, the optimizer's constants and the base of rotary positions.
    func readHyperparameters(into draft: inout PlanDraft) {
        let parameters = "optimizer.params."
        draft.takeHyperparameters(
            reader,
            [
                ("learningRate", [parameters + "lr"]), ("minLearningRate", ["min_lr"]), ("eps", [parameters + "eps"]),
                ("weightDecay", ["weight_decay", parameters + "weight_decay"]), ("clip", ["gradient_clipping"]),
                ("seed", ["seed"]),
            ])
        if reader.word("optimizer.type")?.lowercased() == "sgd" {
            draft.takeHyperparameters(reader, [("momentum", [parameters + "momentum"])])
        }
        draft.takeBetas(reader, parameters + "betas")
        draft.takeSchedule(
            reader, "lr_decay_style", ["linear": "linear", "cosine": "cosine", "constant": "constant"])
        let steps = reader.count("train_iters", in: 1...Int(1e12))
        let fall = reader.count("lr_decay_iters", in: 1...Int(1e12))
        if let setting = reader.place("lr_decay_iters"), let fall {
            if fall == steps {
                draft.hold(setting)
            } else {
                draft.leave(
                    "\(setting.written): a plan's learning rate falls over the whole run; change it in exported files by hand"
                )
            }
        }
        draft.takeWarmup(reader, share: "warmup", of: fall ?? steps)
        if reader.word("pos_emb") == "rotary" {
            draft.takeHyperparameters(reader, [("rotaryBase", ["rotary_emb_base"])])
            if !reader.has("rotary_emb_base") {
                draft.infer("hyperparameters.rotaryBase", .count(10_000), because: "GPT-NeoX's default")
            }
        } else {
            reader.expect(["rotary_emb_base"])
        }
    }
}

internal import Reading

extension Optimizer {
    /// Reads `optimizer:` of a plan: a name, or a map. nil: the plan has none, or a wrong one, which was reported.
    static func read(_ plan: FieldReader) -> Optimizer? {
        if plan.scalar("optimizer") != nil {
            return plan.choice("optimizer", of: Name.self).map { Optimizer($0) }
        }
        guard let reader = plan.map("optimizer") else { return nil }
        var optimizer = Optimizer(reader.choice("name", of: Name.self) ?? .adamw)
        optimizer.momentum = reader.flag("momentum") ?? optimizer.momentum
        let both = reader.choice("moments", of: Moment.self)
        let (first, second) = (
            reader.choice("firstMoment", of: Moment.self), reader.choice("secondMoment", of: Moment.self)
        )
        optimizer.firstMoment = first ?? both ?? .fp32
        optimizer.secondMoment = second ?? both ?? .fp32
        optimizer.master = master(reader) ?? .fp32
        let steps = reader.count("newtonSchulzSteps", in: 1...100)
        optimizer.newtonSchulzSteps = steps ?? optimizer.newtonSchulzSteps
        let mode = reader.choice("tensorMode", of: TensorMode.self)
        optimizer.tensorMode = mode ?? optimizer.tensorMode
        optimizer.reportUnused(reader)
        reader.reportUnknownKeys()
        return optimizer
    }

    /// Reads `master`, where flags stand for fp32 and for none.
    private static func master(_ reader: FieldReader) -> Master? {
        switch reader.scalar("master")?.lowercased() {
        case "yes", "true":
            _ = reader.text("master")
            return .fp32
        case "no", "false":
            _ = reader.text("master")
            return Master.none
        default: return reader.choice("master", of: Master.self)
        }
    }

    /// Reports keys about values that the optimizer does not keep.
    private func reportUnused(_ reader: FieldReader) {
        func report(_ key: String, _ rule: String, _ fix: String = "remove it") {
            guard reader.contains(key) else { return }
            reader.report(key, rule: rule, fix: fix)
        }
        if name != .sgd, name != .adafactor {
            report("momentum", "\(name.rawValue) always keeps a moment; sgd and adafactor may do without")
        }
        if !keepsFirst {
            let rule = "\(name.rawValue) keeps no first moment with momentum false"
            report("moments", rule, "set momentum to true, or remove it")
            report("firstMoment", rule, "set momentum to true, or remove it")
        }
        if !keepsSecond {
            report(
                "secondMoment",
                name == .adafactor
                    ? "adafactor keeps one fp32 number for each row and column" : "\(name.rawValue) has one moment")
        }
        if name != .muon {
            report("newtonSchulzSteps", "only muon orthogonalises its update")
            report("tensorMode", "only muon orthogonalises its update")
        }
    }

    /// The keys and values that differ from those of the optimizer's name alone.
    package var fields: [(key: String, value: String)] {
        let standard = Optimizer(name)
        var fields = [("name", name.rawValue)]
        func add(_ key: String, _ value: String, _ isStandard: Bool) {
            if !isStandard { fields.append((key, value)) }
        }
        add("momentum", "\(momentum)", momentum == standard.momentum)
        add("firstMoment", firstMoment.rawValue, firstMoment == standard.firstMoment || !keepsFirst)
        add("secondMoment", secondMoment.rawValue, secondMoment == standard.secondMoment || !keepsSecond)
        add("master", master == .none ? "no" : master.rawValue, master == standard.master)
        add("newtonSchulzSteps", "\(newtonSchulzSteps)", newtonSchulzSteps == standard.newtonSchulzSteps)
        add("tensorMode", tensorMode.rawValue, tensorMode == standard.tensorMode)
        return fields
    }
}

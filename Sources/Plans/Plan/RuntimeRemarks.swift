internal import Models
internal import Numbers
package import Reading

extension Plan {
    /// Remarks on settings without effect on a real run: they only change prices, or another key makes them unused.
    package func remarksOfARun(_ layout: Layout, _ settings: TrainSettings) -> [Remark] {
        var remarks: [Remark] = []
        if let moe = model.moe, moe.imbalance != 1 {
            remarks.append(
                Remark(
                    .pricedOnly,
                    "model.moe.imbalance \(Figures.plain(moe.imbalance)) prices alone: in a real run the router decides"
                ))
        }
        if let name = frameworks.named, name != Frameworks.processes {
            remarks.append(
                Remark(
                    .pricedOnly,
                    "framework \(name) prices alone: a real run is this runtime's, which is priced as "
                        + Frameworks.processes))
        }
        if cluster.groups != nil {
            remarks.append(
                Remark(
                    .pricedOnly,
                    "cluster.groups price alone: the ranks of a real run are processes of the machines it runs on, in the "
                        + "same layout"))
        }
        remarks += layout.idleSharding(model, "layout.")
        let standard = TrainSettings(data: "", steps: 1, learningRate: settings.learningRate)
        if settings.minLearningRate != standard.minLearningRate, settings.schedule == .constant {
            remarks.append(
                Remark(.keyUnused, "train.minLearningRate does nothing with train.schedule constant"))
        }
        if settings.momentum != nil, optimizer.name != .muon, optimizer.name != .sgd || !optimizer.momentum {
            remarks.append(
                Remark(.keyUnused, "train.momentum does nothing with optimizer \(optimizer.name.rawValue)"))
        }
        if settings.auxiliaryLoss != standard.auxiliaryLoss, model.moe == nil {
            remarks.append(Remark(.keyUnused, "train.auxiliaryLoss does nothing in a model without experts"))
        }
        return remarks
    }
}

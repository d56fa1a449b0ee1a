internal import Costs
internal import Inference
internal import Models
internal import Numbers
internal import Plans

extension ServedTokens {
    /// Time and cost of all requests with the largest batch that fits, answered one batch after the other. Forwards without
    /// answers are reading of prompts.
    func price() throws(ServingError) -> PartPrice {
        let estimate = try estimate()
        // Requests are let in as others end, so a last batch that is not full takes its share of the time.
        let batches = max(1, requests / Double(estimate.batch))
        let days = batches * estimate.answerSeconds / 86_400
        let cluster = plan.cluster
        let layout = estimate.layout
        let idle = plan.devices - estimate.devices
        let tokens = promptTokens == 0 ? "" : " of \(Figures.grouped(promptTokens))"
        let work =
            outputTokens > 0
            ? "\(Figures.words(requests)) prompts\(tokens) tokens, answers of \(Figures.grouped(outputTokens)), "
                + "\(Figures.grouped(estimate.outputTokensPerSecondPerDevice)) tokens/s a device"
            : "\(Figures.words(requests)) forwards\(tokens) tokens, "
                + "\(Figures.grouped(estimate.promptTokensPerSecond / Double(estimate.devices))) tokens/s a device"
        // As in training, idle devices are paid for, but their energy is not counted.
        let energy = cluster.siteWatts.map { $0 * Double(estimate.devices) * days * 24 / 1e6 }
        var price = PartPrice(
            name: "", devices: plan.devices, days: days, lowDays: days / Self.band, highDays: days * Self.band,
            pricePerHour: cluster.pricePerDeviceHour, energyMWh: energy,
            words: "\(Figures.words(Double(plan.model.parameters().total))) parameters, \(work), "
                + "\(idle > 0 ? "\(Figures.grouped(estimate.devices)) of " : "")\(Figures.devices(plan.devices)), "
                + "\(Figures.grouped(estimate.batch)) at a time; tensor \(layout.tensor), pipeline \(layout.pipeline), "
                + "data \(layout.data)")
        price.spareDevices = plan.rentedDevices - plan.paidDevices
        price.price = cluster.price
        // Grams a kilowatt-hour are kilograms a megawatt-hour.
        price.emissions = energy.flatMap { energy in cluster.gridFactor.map { energy * $0 / 1000 } }
        return price
    }

    var result: Result<PartPrice, ServingError> {
        do throws(ServingError) { return .success(try price()) } catch { return .failure(error) }
    }

    /// Serving on as many of the devices as have a request, with as large a batch as fits.
    private func estimate() throws(ServingError) -> ServingEstimate {
        let most = Int(saturating: requests.rounded(.up))
        var work = Workload(prompt: max(1, promptTokens), output: max(1, outputTokens))
        var question = ServingQuestion(model: plan.model, cluster: plan.cluster, work: work, devices: plan.devices)
        question.takesLargestBatch = true
        let largest = try question.estimate()
        guard largest.batch > most else { return largest }
        // Fewer requests than fit: every copy of the model takes its share of them.
        let copy = max(1, largest.layout.devices / max(1, largest.layout.data))
        let copies = max(1, min(largest.layout.data, most))
        work.batch = most
        question = ServingQuestion(model: plan.model, cluster: plan.cluster, work: work, devices: copies * copy)
        (question.tensor, question.pipeline) = (largest.layout.tensor, largest.layout.pipeline)
        return try question.estimate()
    }

    /// Half of published serving rates lie within a quarter of the prediction, so nine in ten are taken to lie within a factor
    /// of 1.6 (assumption: errors are log-normal, 1.645 / 0.674 times as wide).
    private static let band = 1.6
}

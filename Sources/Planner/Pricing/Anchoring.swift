package import Costs
internal import Foundation
internal import Numbers
package import Plans
package import Reading

extension Plan {
    /// The plan with its measured steps beside their predictions, which then shift the days of its answers.
    /// - Throws: why a measured step cannot be priced.
    package func anchored() throws(PlannerError) -> Plan {
        guard !measurements.isEmpty else { return self }
        // Layouts of an open plan are all priced on one software, and so are the measured ones.
        var open = onOneFramework
        open.anchor = nil
        let plan = open
        // Steps that were measured several times are priced once.
        var place: [Measurement: Int] = [:]
        var distinct: [Measurement] = []
        let steps = measurements.map { measured -> Int in
            var step = measured
            (step.seconds, step.isOwn) = (0, false)
            if let known = place[step] { return known }
            place[step] = distinct.count
            distinct.append(step)
            return distinct.count - 1
        }
        let different = distinct
        let predicted = parallelMap(different.count, threads: nil) { index -> Result<Double, PlannerError> in
            var other = plan
            (other.devices, other.batch, other.layout) = (
                different[index].devices, different[index].batch, different[index].layout
            )
            (other.tokens, other.idleDevices, other.measurements) = (nil, 0, [])
            do throws(PlannerError) {
                return .success(try price(plan: other, layout: different[index].layout).iteration.seconds)
            } catch { return .failure(error) }
        }
        var points: [Anchor.Point] = []
        for (measured, step) in zip(measurements, steps) {
            let seconds = try predicted[step].get()
            guard abs(log(measured.seconds / seconds)) <= log(Self.mostTimesOff) else {
                throw .contradiction(
                    "measured.seconds: \(Figures.seconds(measured.seconds)) is not of the step of "
                        + "\(Figures.grouped(measured.devices)) devices, batch \(Figures.grouped(measured.batch)), tensor "
                        + "\(measured.layout.tensor), pipeline \(measured.layout.pipeline), which is predicted to take "
                        + "\(Figures.seconds(seconds)); check seconds, devices, batch and layout")
            }
            points.append(
                Anchor.Point(
                    layout: measured.layout, devices: measured.devices, batch: measured.batch,
                    residual: log(measured.seconds / seconds)))
        }
        var anchored = plan
        anchored.anchor = Anchor(points: points)
        return anchored
    }

    /// A measured step that is so many times longer or shorter than its prediction was not of that step.
    private static let mostTimesOff = 20.0

    /// The remark that the days of all answers follow measured steps. Empty where they do not.
    package var anchoredRemarks: [Remark] {
        guard let anchor else { return [] }
        return [Remark(.anchored, "days and their bands follow \(anchor.count)")]
    }
}

extension Estimate {
    /// How measured steps shift the answer, and which further measurement would narrow its band most. Empty without
    /// measurements.
    package func anchorRemarks() -> [Remark] {
        guard let anchor = plan.anchor else { return [] }
        let framework = plan.framework(for: layout)
        let band = ErrorBand(plan: plan, layout: layout, framework: framework)
        let shown = 5
        let rest = anchor.points.count - shown
        let took = anchor.points.prefix(shown).map { point in
            "\(Self.longer(exp(point.residual) - 1)) than predicted on \(Figures.grouped(point.devices)) devices"
        }
        var remarks = [
            Remark(
                .anchored,
                "\(anchor.words(layout)): \(took.joined(separator: ", "))\(rest > 0 ? " and \(Figures.grouped(rest)) more" : ""); the days are those of steps that are "
                    + "\(Self.longer(exp(band.shift) - 1)) than predicted")
        ]
        let (now, candidates) = (Self.width(band), nextMeasurements(anchor))
        let next = candidates.map { point -> (point: Anchor.Point, band: ErrorBand) in
            var more = plan
            more.anchor = Anchor(points: anchor.points + [point])
            return (point, ErrorBand(plan: more, layout: layout, framework: framework))
        }.min { Self.width($0.band) < Self.width($1.band) }
        if let next, Self.width(next.band) < 0.97 * now {
            remarks.append(
                Remark(
                    .measureNext,
                    "some minutes of this layout on \(Figures.grouped(next.point.devices)) devices with a batch of "
                        + "\(Figures.grouped(next.point.batch)) would narrow the band from \(Self.words(band)) to "
                        + "\(Self.words(next.band)) (measured: {seconds: …, devices: \(next.point.devices), "
                        + "batch: \(next.point.batch), layout: …})"))
        }
        return remarks
    }

    /// Steps of the answer's own layout that can be measured: on the fewest devices that hold it, with the same micro-batches
    /// in every pipeline, and on all.
    private func nextMeasurements(_ anchor: Anchor) -> [Anchor.Point] {
        var points = [Anchor.Point(layout: layout, devices: plan.devices, batch: plan.batch, residual: 0)]
        for data in Divisors.of(layout.data) where data < layout.data && plan.batch % (layout.data / data) == 0 {
            var fewer = plan
            (fewer.devices, fewer.batch) = (plan.devices / (layout.data / data), plan.batch / (layout.data / data))
            (fewer.tokens, fewer.anchor, fewer.idleDevices) = (nil, nil, 0)
            var own = layout
            own.data = data
            guard own.problems(for: plan.model, batch: fewer.batch, devices: fewer.devices).isEmpty,
                let pricer = try? Pricer(plan: fewer), let work = try? pricer.works(own).first,
                Estimate(work, time: IterationTime(work)).fits
            else { continue }
            points.append(Anchor.Point(layout: own, devices: fewer.devices, batch: fewer.batch, residual: 0))
            break
        }
        return points
    }

    private static func width(_ band: ErrorBand) -> Double { band.low + band.high }

    private static func words(_ band: ErrorBand) -> String {
        "\(signed(-band.low))/\(signed(band.high))"
    }

    private static func longer(_ share: Double) -> String {
        Figures.percent(abs(share)) + (share < 0 ? " shorter" : " longer")
    }

    private static func signed(_ share: Double) -> String {
        (share < 0 ? "−" : "+") + Figures.percent(abs(share))
    }
}

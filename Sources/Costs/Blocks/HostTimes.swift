internal import Models
internal import Plans

/// Host time of a block.
extension BlockTimes {
    /// Adds the host time that a pass waits for. The host launches every kernel, so a short pass ends only when the
    /// host has launched it.
    ///
    /// A backward launches its input gradients first. They end when the host has launched them and the device has run
    /// them. The rest of the backward belongs to the weight gradients. So a faster weight gradient never lengthens an
    /// input gradient, and both halves together take as long as the whole backward.
    ///
    /// - Parameters:
    ///   - counts: whether numbers of rows go to the host.
    ///   - apart: additional seconds of collectives that are exposed if they overlap only with input gradients.
    func waitForHost(
        _ times: inout UnitTimes, collectives: PassCollectives, counts: Bool, apart: Double
    ) {
        let software = rates.framework
        // An all-reduce counts as its two halves.
        func starting(_ pass: TensorCollectives) -> Double {
            Double(pass.gathers.count + 2 * pass.sums.count) * software.hostCollective
        }
        let waiting = counts ? software.hostExperts : 0
        let launches = block.tuned.map(tunedLaunches) ?? (forward: 1.0, backward: 1.0, weights: weightLaunches)
        // A block of experts also launches its router, the exchange of its rows and the experts.
        let experts = block.mixture == nil ? (0, 0) : (software.hostExpertForward, software.hostExpertBackward)
        let forward = launches.forward * software.hostForward + experts.0 + starting(collectives.forward)
        let modules = device.modules.isEmpty ? nil : block.recomputations(of: device.modules)
        let again = device.recompute == .full ? forward : modules.map { hostAgain($0, starting) } ?? 0
        let backward = launches.backward * software.hostBackward + experts.1 + starting(collectives.backward) + again
        let weights = launches.weights * (software.hostBackward + experts.1)
        let repeatsExperts = modules?.contains(where: \.repeatsExperts) ?? false
        let passes = device.recompute == .full || repeatsExperts ? 2.0 : 1
        if software.blockingLaunches {
            times.forward.host = waiting + forward
            times.backward.host = passes * waiting + backward
            times.weightGradient += weights - apart
            return
        }
        times.forward.host = waiting + max(0, forward - times.forward.total)
        let device = times.backward.total
        let inputs = device - times.weightGradient + apart
        if apart > 0 || device < backward || inputs < backward - weights {
            times.weightGradient = max(device, backward) - max(inputs, backward - weights)
        }
        times.backward.host = passes * waiting + max(0, backward - device)
    }

    /// Host time of launching recomputed modules: their part of a forward's products, and their collectives.
    private func hostAgain(_ works: [Recomputation], _ starting: (TensorCollectives) -> Double) -> Double {
        let sent = device.collectives(
            block.messages(again: works, sequenceParallel: device.sequenceParallel), elementBytes: rates.elementBytes)
        let experts = Double(block.expertProducts.count) * Double(block.mixture?.experts ?? 0) / device.expert
        let all = Double(block.products.count) + experts
        let again = works.reduce(0) {
            $0 + Double($1.products.count + $1.adapters.count) + ($1.repeatsExperts ? experts : 0)
        }
        return (all > 0 ? again / all : 0) * rates.framework.hostForward + starting(sent.forward)
    }

    /// Fraction of a backward's launches that belong to weight gradients. Each product has one kernel for its weight
    /// gradient and one for the gradient of its inputs. All other kernels count with the latter.
    private var weightLaunches: Double {
        var products = Double(block.products.count)
        if let mixture = block.mixture {
            products += Double(block.expertProducts.count) * Double(mixture.experts) / device.expert
        }
        let others = coreLaunches + Double(block.otherKernels)
        return products / (2 * products + others)
    }

    /// Launches of core attention: one kernel; or, unfused, the backwards of two products, of the softmax and of dropout.
    var coreLaunches: Double { block.core.heads == 0 ? 0 : device.flashAttention ? 1.0 : device.dropout ? 6 : 5 }
}

internal import Models
internal import Plans

/// Times of one transformer block for one micro-batch on one device: sums over the products, kernels and messages of
/// its parts.
///
/// Letters: T rows (b·s/c), t tensor degree. An operation takes the longest of its arithmetic (at the device's
/// efficiency for that size), its memory traffic and one kernel launch.
struct BlockTimes {
    let block: Block
    /// Tokens of a sequence.
    let sequence: Int
    let rates: DeviceRates
    let device: DeviceShare
    /// Bytes of a number in the gradient that a weight-gradient product adds to.
    let gradientBytes: Double
    let measure: BlockMeasure

    init(block: Block, sequence: Int, rates: DeviceRates, device: DeviceShare, gradientBytes: Double) {
        self.block = block
        self.sequence = sequence
        self.rates = rates
        self.device = device
        self.gradientBytes = gradientBytes
        measure = BlockMeasure(
            division: device.division(block.mixture), activation: rates.elementBytes,
            operand: rates.operandBytes, dropout: device.dropout)
    }

    private enum Pass { case forward, backward }

    private var w: Double { rates.elementBytes }
    /// Seconds of the memory-bound work of the whole block, forward and backward.
    var elementwise: Double { elementwise(.forward) + elementwise(.backward) }

    /// Times of a block without transfers of sharded parameters, copies to the host and waiting for it. They do not depend on
    /// sharding, so that a search computes them once for all of it.
    struct Inside: Sendable {
        fileprivate(set) var times = UnitTimes()
        fileprivate(set) var sent = PassCollectives()
        /// Whether numbers of rows go to the host.
        fileprivate(set) var counts = false
        /// Tensor collectives that run apart from compute.
        fileprivate(set) var apart = 0.0
    }

    /// Times of one micro-batch through the block.
    /// - Parameter known: nil: computed here.
    func unit(_ known: Inside? = nil) -> UnitTimes {
        let inside = known ?? inside()
        var times = inside.times
        let passes = (times.forward.total, times.backward.total)
        addParameterGathers(to: &times)
        addCopies(to: &times, behind: passes)
        waitForHost(&times, collectives: inside.sent, counts: inside.counts, apart: inside.apart)
        if let tuned = block.tuned, !tuned.passesGradient { times.leaveOutBackward() }
        return times
    }

    /// Seconds of the work of a block on the device itself, without messages. They depend neither on what is recomputed nor
    /// on the place of the ranks, so that a search computes them once for all layouts with the same degrees.
    struct Work: Sendable {
        fileprivate var attention: (forward: Double, backward: Double)
        fileprivate var scan: (forward: Double, backward: Double)
        fileprivate var products: Products
        fileprivate var elementwise: (forward: Double, backward: Double)
        /// Seconds that the exchange of rows saves in each pass.
        fileprivate var saved: Double

        /// Seconds of a forward and a backward without recomputation.
        var seconds: Double {
            products.forward + products.input + products.weight + elementwise.forward + elementwise.backward
                + attention.forward + attention.backward + scan.forward + scan.backward - 2 * saved
        }
    }

    /// The work of one micro-batch on the device itself.
    var work: Work { withExperts(workBesideExperts) }

    /// The work without the products of routed experts. It does not depend on the number of expert ranks, unless weights
    /// are cast for every pass. Of a tuned block: the whole work.
    var workBesideExperts: Work {
        Work(
            attention: attention(), scan: scan(), products: productsBesideExperts,
            elementwise: (elementwise(.forward), elementwise(.backward)),
            saved: block.mixture.map(sortingSaved) ?? 0)
    }

    /// The whole work, from `workBesideExperts`.
    func withExperts(_ beside: Work) -> Work {
        guard block.tuned == nil, let mixture = block.mixture else { return beside }
        var work = beside
        add(mixture, to: &work.products)
        return work
    }

    /// - Parameter known: the work on the device; nil: computed here.
    func inside(_ known: Work? = nil) -> Inside {
        let work = known ?? self.work
        let (attention, scan, products, saved) = (work.attention, work.scan, work.products, work.saved)
        let elementwiseForward = work.elementwise.forward - saved
        let exchange = block.mixture.map(exchange) ?? 0
        let forwardCompute = products.forward + elementwiseForward + attention.forward + scan.forward
        var times = UnitTimes()
        times.forward.compute = forwardCompute
        let contexts = (
            forward: contextExposed(attention: attention.forward, passes: 1),
            backward: contextExposed(attention: attention.backward, passes: 2)
        )
        let states = statesGathered
        times.forward.context = contexts.forward.seconds + states
        times.weightGradient = products.weight
        let gradients = products.input + times.weightGradient
        times.backward.compute = gradients + work.elementwise.backward - saved + attention.backward + scan.backward
        times.backward.context = contexts.backward.seconds + states
        times.forward.expert = exchange
        times.backward.expert = exchange

        let sent = device.collectives(block.messages(sequenceParallel: device.sequenceParallel), elementBytes: w)
        let collectives = tensorExposed(sent, products)
        times.forward.tensor = collectives.forward.seconds
        times.backward.tensor = collectives.backward.seconds
        // Compute that hides these collectives cannot also hide the experts' exchanges.
        let again = collectives.forward.hidden + contexts.forward.hidden
        var taken = again + collectives.backward.hidden + contexts.backward.hidden
        switch device.recompute {
        case .none: break
        case .selective where !device.modules.isEmpty:
            var repeated = self.again(exchange: exchange)
            // Modules never wait longer for their ranks than the whole block would.
            if repeated.tensor.seconds > collectives.forward.seconds { repeated.tensor = collectives.forward }
            times.backward.recompute =
                repeated.compute + (device.modules.contains(.coreAttention) ? attention.forward : 0)
            times.backward.tensor += repeated.tensor.seconds
            times.backward.expert += repeated.exchange
            taken += repeated.tensor.hidden
        case .selective:
            times.backward.recompute =
                rates.framework.selectiveOperations
                ? products.forward / 2 + elementwiseForward + scan.forward : attention.forward
        case .full:
            times.backward.recompute = forwardCompute
            times.backward.tensor += collectives.forward.seconds
            times.backward.context += times.forward.context
            times.backward.expert += exchange
            taken += again
        }
        if device.overlap.expert { hideExchange(&times, taken: taken) }
        if device.overlap.sharedExperts {
            hideBehindShared(
                &times, taken: (again, collectives.backward.hidden + contexts.backward.hidden))
        }
        // Numbers of rows that are always the same need not go to the host (Megatron-Core, `token_dispatcher.py`:
        // `drop_and_pad`).
        let counts = exchange > 0 && block.mixture?.padToCapacity != true
        return Inside(times: times, sent: sent, counts: counts, apart: collectives.apart)
    }

    // MARK: Recomputed modules

    /// Seconds of computing the device's modules again, core attention aside: the products and kernels of their parts, and
    /// the exchanges inside them.
    /// - Parameter exchange: seconds of taking rows to their experts and back.
    private func again(exchange: Double) -> (compute: Double, tensor: Exposed, exchange: Double) {
        let works = block.recomputations(of: device.modules)
        var (products, kernels, repeated) = (0.0, 0.0, 0.0)
        for work in works {
            for product in work.products {
                let (rows, inputs, outputs) = measure.shape(product)
                products += rates.product(rows, outputs, inputs, high: isHigh(product))
            }
            products += adapters(again: work)
            kernels += measure.seconds(work.work, rates)
            guard work.repeatsExperts, let mixture = block.mixture else { continue }
            products += block.tuned.map { experts($0, mixture).forward } ?? expertProducts(mixture).forward
            repeated += exchange
        }
        let sent = device.collectives(
            block.messages(again: works, sequenceParallel: device.sequenceParallel), elementBytes: w)
        // Of a norm or an activation by itself, only the product that reads it back casts the result again.
        let withProducts = device.modules.intersection(.withProducts)
        let casts = inputCasts {
            !$0.madeBy.isDisjoint(with: $0.isReadBack ? device.modules : withProducts)
        }
        return (products + kernels + casts, tensorExposedAgain(sent, products), repeated)
    }

    // MARK: Matrix products

    /// Seconds of matrix products, by their purpose.
    struct Products {
        var forward = 0.0
        /// Seconds of the products that give gradients of inputs.
        var input = 0.0
        /// Seconds of the products that give gradients of weights.
        var weight = 0.0
    }

    /// Seconds of the products of the block but for those of routed experts; of a tuned block: of all.
    private var productsBesideExperts: Products {
        if let tuned = block.tuned { return products(tuned) }
        var sum = Products()
        for product in block.products {
            let (rows, inputs, outputs) = measure.shape(product)
            let high = isHigh(product)
            sum.forward += rates.product(rows, outputs, inputs, high: high)
            sum.input += rates.product(rows, inputs, outputs, high: high)
            sum.weight += rates.accumulate(inputs, outputs, rows, accumulatorBytes: gradientBytes, high: high)
        }
        return sum
    }

    /// Whether a recipe leaves a product of the block in 16 bits.
    func isHigh(_ product: Product) -> Bool { rates.recipe != nil && LowPrecision.isRouter(product, block) }

    /// Adds the products of all experts on a device. They run one after the other, each on an equal part of the rows
    /// that arrive. The gradients of all their weights are read and written once.
    private func add(_ mixture: Model.Mixture, to sum: inout Products) {
        let (forward, weights) = expertProducts(mixture)
        sum.forward += forward
        sum.input += forward
        sum.weight += forward + rates.memory(2 * gradientBytes * weights)
    }

    /// Seconds of a forward of all experts on a device, and their weights.
    private func expertProducts(_ mixture: Model.Mixture) -> (forward: Double, weights: Double) {
        let held = Double(mixture.experts) / device.expert
        var (forward, weights) = (0.0, 0.0)
        for product in block.expertProducts {
            let (rows, inputs, outputs) = measure.shape(product)
            forward += held * rates.product(max(1, rows / held), outputs, inputs) / rates.framework.experts
            weights += held * inputs * outputs
        }
        return (forward, weights)
    }

    // MARK: Memory-bound operations

    /// Seconds of the memory-bound work of a pass.
    private func elementwise(_ pass: Pass) -> Double {
        measure.seconds(pass == .forward ? block.forward : block.backward, rates) + recipeCasts(pass)
    }

    /// Seconds of casts that a recipe needs beside those of all 8-bit runs: of the results of norms and activations, of
    /// the result of attention again in the backward if it is not kept in the low format, and of weights that are
    /// gathered for each pass.
    private func recipeCasts(_ pass: Pass) -> Double {
        guard let recipe = rates.recipe else { return 0 }
        var seconds = 0.0
        if pass == .forward { seconds += inputCasts { _ in true } }
        if pass == .backward, !recipe.keepsAttended { seconds += rates.cast(measure.numbers(block.attended)) }
        if device.gathersWeights, !recipe.parameterGather {
            let weights = LowPrecision.parameters(block, device)
            seconds += rates.memory(LowPrecision.castBytes(rates) * (weights.dense + weights.experts))
        }
        return seconds
    }

    /// Seconds of casts of the results of norms and activations, which a recipe needs.
    private func inputCasts(_ isCast: (ProductInput) -> Bool) -> Double {
        guard let recipe = rates.recipe, !(recipe.isFused && rates.framework.fusedCasts) else { return 0 }
        return block.productInputs.reduce(0) {
            isCast($1) ? $0 + rates.cast(measure.division.numbers($1.extent)) : $0
        }
    }

    // MARK: Communication

    /// Seconds of one pass in which the ranks of a sequence gather one another's states (Sun et al. 2025, LASP-2). Nothing
    /// hides them: the results of a rank need the state before its part.
    private var statesGathered: Double {
        guard device.context > 1, let scan = block.core.scan else { return 0 }
        return device.contextGroup.gather(bytes: device.context * device.stateBytes(scan, sequence: sequence))
    }

    /// Hides the experts' exchanges of one micro-batch behind the compute of another: a forward and a backward form a
    /// pair (DeepSeek-AI 2024, section 3.2.1; Megatron-Core's overlap_moe_expert_parallel_comm).
    /// - Parameter taken: seconds of the pair's compute that already hide other transfers.
    private func hideExchange(_ times: inout UnitTimes, taken: Double) {
        let whole = times.forward.expert + times.backward.expert
        guard whole > 0 else { return }
        let beside = times.forward.compute + times.backward.compute + times.backward.recompute
        let share =
            Exposed(whole, behind: max(0, beside - taken), least: 0, contention: exchangeContention).seconds / whole
        times.forward.expert *= share
        times.backward.expert *= share
    }

    /// Hides the exchanges of a pass behind the products of the shared experts in the same pass (Megatron-Core's
    /// `moe_shared_expert_overlap`), as far as compute of the pass hides nothing else. With full recomputation the
    /// forward's are hidden twice.
    /// - Parameter taken: seconds of each pass's compute that already hide other transfers.
    private func hideBehindShared(_ times: inout UnitTimes, taken: (forward: Double, backward: Double)) {
        var (forward, backward) = (0.0, 0.0)
        for product in block.sharedProducts {
            let (rows, inputs, outputs) = measure.shape(product)
            forward += rates.product(rows, outputs, inputs)
            backward += rates.product(rows, inputs, outputs)
            backward += rates.accumulate(inputs, outputs, rows, accumulatorBytes: gradientBytes)
        }
        guard forward > 0 else { return }
        forward = min(forward, max(0, times.forward.compute - taken.forward))
        backward = min(backward, max(0, times.backward.compute - taken.backward))
        let isRepeated = device.recompute == .full
        let once = times.forward.expert
        func hide(_ seconds: Double, behind: Double) -> Double {
            Exposed(seconds, behind: behind, least: 0, contention: exchangeContention).seconds
        }
        times.forward.expert = hide(once, behind: forward)
        times.backward.expert =
            hide(times.backward.expert - (isRepeated ? once : 0), behind: backward)
            + (isRepeated ? times.forward.expert : 0)
    }

    /// Exposed seconds of gathering and scattering parameters for `seconds` while `compute` seconds of work run.
    private func gatherExposed(_ seconds: Double, behind compute: Double) -> Double {
        let software = rates.framework
        let hidden = min(software.gathersHidden * seconds, compute)
        return seconds - hidden + software.gatherContention * hidden
    }

    /// Adds the transfers of fully sharded parameters: weights are gathered before the forward and before the backward,
    /// and gradients are scattered after the backward. Each layer's transfers overlap with the compute of a
    /// neighbouring layer.
    private func addParameterGathers(to times: inout UnitTimes) {
        guard device.sharding == .parameters else { return }
        // Bytes of weights that are gathered, and parameters whose gradients are reduced.
        let held = device.held(of: block)
        let (stored, trained) = (
            device.storedBytes(of: block, elementBytes: w), block.tuned.map { device.held($0.trained) } ?? held
        )
        let (count, rate) = (rates.framework.gathersPerBlock, rates.framework.gatherEfficiency)
        var (gather, reduce) = (0.0, 0.0)
        let low = rates.recipe?.parameterGather == true ? LowPrecision.parameters(block, device) : (0, 0)
        let saved = w - (rates.recipe?.gatheredBytes ?? w)
        func add(_ held: Double, stored: Double, low: Double, shards: DeviceGroup, replicas: DeviceGroup) {
            guard stored > 0 else { return }
            gather += shards.gather(bytes: (stored - saved * low) / rate, count: count)
            guard held > 0 else { return }
            reduce +=
                shards.gather(bytes: gradientBytes * held / rate, count: count)
                + device.addReplicas(replicas, bytes: gradientBytes * held / Double(shards.size))
        }
        add(trained.dense, stored: stored.dense, low: low.0, shards: device.shardGroup, replicas: device.replicaGroup)
        add(
            trained.experts, stored: stored.experts, low: low.1, shards: device.expertShardGroup,
            replicas: device.expertReplicaGroup)
        let (forward, backward) = device.overlap.data ? (times.forward.total, times.backward.total) : (0, 0)
        times.forward.data = gatherExposed(gather, behind: forward)
        times.backward.data = gatherExposed(gather + reduce, behind: backward)
        guard let fetch = device.copies?.fetch(shards(held)), fetch > 0 else { return }
        // Shards are fetched before they are gathered, and hidden together.
        times.forward.offload = gatherExposed(gather + fetch, behind: forward) - times.forward.data
        times.backward.offload = gatherExposed(gather + reduce + fetch, behind: backward) - times.backward.data
    }
}

internal import Models
internal import Plans

/// Exposed collectives among the tensor ranks in both passes of a block.
struct TensorExposed {
    var forward = Exposed()
    var backward = Exposed()
    /// Additional seconds of the backward's collectives that would be exposed if they overlapped only with the products
    /// that give gradients of inputs.
    var apart = 0.0
}

extension BlockTimes {
    /// Exposed tensor-parallel collectives of one block. Inputs that the backward gathers again are hidden by its
    /// products (Korthikanti et al. 2022, section 4.2.2).
    func tensorExposed(_ sent: PassCollectives, _ products: Products) -> TensorExposed {
        guard device.tensor > 1 else { return TensorExposed() }
        let group = device.tensorGroup
        let whole = (
            forward: sent.forward.seconds(group, in: rates.framework),
            backward: sent.backward.seconds(group, in: rates.framework)
        )
        let regather = rates.framework.contention * sent.again.seconds(group, in: rates.framework)
        var exposed = TensorExposed(
            forward: Exposed(seconds: whole.forward), backward: Exposed(seconds: whole.backward))
        if device.overlap.tensor {
            switch rates.framework.abilities.tensorOverlap {
            case .none: break
            case .chunks: exposed = hiddenInChunks(whole, products)
            case .userBuffers:
                // Adapters have products of their own, which no user buffer is made for.
                if device.sequenceParallel, block.tuned == nil { exposed = hiddenInUserBuffers(sent) }
            }
        }
        exposed.backward.seconds += regather
        return exposed
    }

    /// Exposed collectives of modules that the backward computes again, whose products take `products` seconds. User buffers
    /// hide none of them.
    func tensorExposedAgain(_ sent: PassCollectives, _ products: Double) -> Exposed {
        guard device.tensor > 1 else { return Exposed() }
        let seconds = sent.forward.seconds(device.tensorGroup, in: rates.framework)
        guard device.overlap.tensor, rates.framework.abilities.tensorOverlap == .chunks else {
            return Exposed(seconds: seconds)
        }
        return rates.hide(seconds, behind: products, least: seconds / device.tensor)
    }

    /// Each collective is cut into t chunks. All but one chunk can overlap with the products of the pass.
    private func hiddenInChunks(
        _ whole: (forward: Double, backward: Double), _ products: Products
    ) -> TensorExposed {
        func hide(_ seconds: Double, behind: Double) -> Exposed {
            rates.hide(seconds, behind: behind, least: seconds / device.tensor)
        }
        let gradients = products.input + products.weight
        var exposed = TensorExposed(
            forward: hide(whole.forward, behind: products.forward), backward: hide(whole.backward, behind: gradients))
        exposed.apart = hide(whole.backward, behind: gradients - products.weight).seconds - exposed.backward.seconds
        return exposed
    }

    /// Collectives in Transformer Engine's user buffers (`initialize_ub`), each with the product next to it:
    ///
    /// - A gathering and the product that reads it, forward, and of the gradient of a result, backward, exchange t pieces
    ///   around a ring. The device begins with its own piece, so t − 1 steps each run beside the product of a piece.
    /// - A product and the scattering of its result, forward, run in four pieces. The last piece's scattering is exposed.
    /// - The scattering of an input's gradient runs beside the product that gives the weight's gradient, as a whole.
    ///
    /// Sums in fp32 are not in user buffers.
    private func hiddenInUserBuffers(_ sent: PassCollectives) -> TensorExposed {
        let (beside, group) = (productsBesideCollectives, device.tensorGroup)
        let (ring, bulk) = (UserBuffers.lostToRings(rates), UserBuffers.lostToKernels(rates))
        let slower = 1 / rates.framework.tensorEfficiency
        let results = block.messages(sequenceParallel: true).results.reduce(0) {
            $0 + group.gather(bytes: slower * device.bytes($1, elementBytes: rates.elementBytes))
        }
        let sums = sent.forward.sums.reduce(0) { $0 + group.allReduce(bytes: slower * $1) }
        func gathered(_ seconds: Double, with product: Double) -> Exposed {
            Exposed(seconds, behind: product * (device.tensor - 1) / device.tensor, least: 0, contention: ring)
        }
        let gathers = max(0, sent.forward.seconds(group, in: rates.framework) - sums - results)
        let pieces = UserBuffers.pieces
        let inputs = gathered(gathers, with: beside.inputs.forward)
        let scattered = Exposed(
            results, behind: beside.results.forward * (pieces - 1) / pieces, least: results / pieces,
            contention: bulk)
        let gradients = gathered(results, with: beside.results.input)
        let rest = max(0, sent.backward.seconds(group, in: rates.framework) - results)
        let back = Exposed(rest, behind: beside.inputs.weight, least: 0, contention: bulk)
        return TensorExposed(
            forward: Exposed(
                seconds: inputs.seconds + scattered.seconds + sums, hidden: inputs.hidden + scattered.hidden),
            backward: Exposed(seconds: gradients.seconds + back.seconds, hidden: gradients.hidden + back.hidden),
            apart: rest - back.seconds)
    }

    /// Seconds of the block's products beside which collectives run: those that read gathered rows, and those whose
    /// results are scattered.
    private var productsBesideCollectives: (inputs: Products, results: Products) {
        var (inputs, results) = (Products(), Products())
        for product in block.products where product.rows == .all {
            let (rows, wide, out) = measure.shape(product)
            let (forward, input) = (rates.product(rows, out, wide), rates.product(rows, wide, out))
            let weight = rates.accumulate(wide, out, rows, accumulatorBytes: gradientBytes)
            if product.inputs.cut > 0 {
                results.forward += forward
                results.input += input
                results.weight += weight
            } else {
                inputs.forward += forward
                inputs.input += input
                inputs.weight += weight
            }
        }
        return (inputs, results)
    }
}

/// Part of a device that Transformer Engine's user buffers take (`initialize_ub`, `get_default_config`).
enum UserBuffers {
    /// Pieces of a product whose result is scattered.
    static let pieces = 4.0
    /// Multiprocessors of a ring exchange, and of every other collective.
    private static let (ring, others) = (1.0, 16.0)

    /// Compute lost beside a ring exchange, and beside another collective, as fractions of their time: the share of the
    /// device's multiprocessors; the software's own fraction if the device states none.
    static func lostToRings(_ rates: DeviceRates) -> Double { lost(ring, rates) }
    static func lostToKernels(_ rates: DeviceRates) -> Double { lost(others, rates) }

    private static func lost(_ multiprocessors: Double, _ rates: DeviceRates) -> Double {
        rates.multiprocessors.map { min(1, multiprocessors / $0) } ?? rates.framework.contention
    }
}

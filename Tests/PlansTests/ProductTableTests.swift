import Foundation
import Plans
import TestSupport
import Testing

@Suite struct ProductTableTests {
    private let table = ProductTable(
        rows: [64, 256], columns: [64, 256], depths: [64, 256, 1024],
        shares: [0.1, 0.2, 0.3, 0.2, 0.3, 0.4, 0.3, 0.4, 0.5, 0.4, 0.5, 0.6])

    @Test func pointsAreThemselves() {
        #expect(abs(table.share(64, 64, 64) - 0.1) < 1e-12)
        #expect(abs(table.share(256, 64, 256) - 0.4) < 1e-12)
        #expect(abs(table.share(256, 256, 1024) - 0.6) < 1e-12)
    }

    /// Linear in the logarithm of each dimension: 128 lies half way between 64 and 256.
    @Test func betweenPointsTheLogarithmIsHalved() {
        #expect(abs(table.share(128, 64, 64) - 0.2) < 1e-12)
        #expect(abs(table.share(64, 128, 64) - 0.15) < 1e-12)
        #expect(abs(table.share(128, 128, 512) - 0.4) < 1e-12)
    }

    @Test func outsideTheNearestPointCounts() {
        #expect(abs(table.share(1, 1, 1) - 0.1) < 1e-12)
        #expect(abs(table.share(1e6, 1e6, 1e6) - 0.6) < 1e-12)
    }

    /// The shipped tables read back from what is written.
    @Test(arguments: ["a100-80g-sxm", "h100-80g-sxm", "h200-141g-sxm", "b200-sxm", "gb200-nvl72"])
    func shippedTablesSurviveWriting(_ name: String) throws {
        let cluster = try Cluster.read(name, library: Checkout.library)
        let products = try #require(cluster.device.products)
        #expect(products.shares.allSatisfy { $0 > 0 && $0 <= 1 })
        // Long products of many rows are efficient, thin ones are not.
        #expect(products.share(8192, 8192, 8192) > 0.6)
        #expect(products.share(64, 64, 64) < 0.05)
        let folder = try TemporaryFolder()
        let path = try folder.write(cluster.yaml(), as: "cluster.yaml")
        #expect(try Cluster.read(path, library: Checkout.library) == cluster)
    }
}

import Foundation
import Models
import Plans
import Tensors
import TestSupport
import Testing
import Training

@Suite struct SafeTensorsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Path of the weights, a file of these bytes.
    private func write(_ bytes: Data) throws -> String { try folder.write(bytes, as: "weights.safetensors") }

    private func write(header: String, data: Data) throws -> String {
        let text = Data(header.utf8)
        let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
        return try write(length + text + data)
    }

    private func read(_ path: String, _ name: String, _ shape: [Int]) throws -> [Float] {
        let tensor = InitialisationTests.tensor(name, shape: shape, start: .zeros)
        let target = Storage<Float>(count: tensor.count)
        try SafeTensorsFile(path: path).copy(tensor, to: target.pointer)
        return Array(UnsafeBufferPointer(start: target.pointer, count: tensor.count))
    }

    @Test func readsTheThreeFloatTypesAndThePrefix() throws {
        var data = Data()
        for value in [1.5 as Float, -2] { withUnsafeBytes(of: value) { data.append(contentsOf: $0) } }
        for value in [0.25 as Float16, -65504] { withUnsafeBytes(of: value) { data.append(contentsOf: $0) } }
        for value in [0x3FC0, 0xC000] as [UInt16] { withUnsafeBytes(of: value) { data.append(contentsOf: $0) } }
        let file = try write(
            header: """
                {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},\
                "transformer.b":{"dtype":"F16","shape":[1,2],"data_offsets":[8,12]},\
                "c":{"dtype":"BF16","shape":[2,1],"data_offsets":[12,16]}}
                """, data: data)
        #expect(try read(file, "a", [2]) == [1.5, -2])
        #expect(try read(file, "b", [1, 2]) == [0.25, -65504])
        #expect(try read(file, "c", [2, 1]) == [1.5, -2])
        #expect(throws: TrainingError.weights(path: file, reason: "tensor d is missing")) {
            try read(file, "d", [2])
        }
        #expect(
            throws: TrainingError.weights(
                path: file, reason: "tensor a has shape [2], the plan's model needs [1, 2]")
        ) { try read(file, "a", [1, 2]) }
    }

    @Test(arguments: [
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[9223372036854775800,9223372036854775807]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775808]}}",
        "{\"a\":{\"dtype\":\"F32\"}}", "not json", "[1]",
    ]) func brokenHeadersAreRefused(header: String) throws {
        let file = try write(header: header, data: Data(count: 8))
        #expect(throws: TrainingError.self) { try SafeTensorsFile(path: file) }
    }

    @Test func truncatedAndForeignFilesAreRefused() throws {
        for bytes in [
            [1, 2, 3], [255, 255, 255, 255, 255, 255, 255, 255, 0], Array(repeating: UInt8(ascii: "x"), count: 64),
        ]
            as [[UInt8]]
        {
            let file = try write(Data(bytes))
            #expect(throws: TrainingError.self) { try SafeTensorsFile(path: file) }
        }
    }

    @Test func headerIsTheFormats() throws {
        let model = InitialisationTests.model
        let tensors = ParameterLayout.allTensors(model: model)
        var bytes = try SafeTensorsFile.header(tensors: tensors, metadata: ["format": "pt"])
        #expect(bytes.count % 8 == 0)
        for (index, tensor) in tensors.enumerated() {
            bytes.append(
                contentsOf: (0..<tensor.count).flatMap { _ in withUnsafeBytes(of: Float(index)) { Array($0) } })
        }
        let file = try write(bytes)
        let opened = try SafeTensorsFile(path: file)
        #expect(opened.metadata == ["format": "pt"])
        for (index, tensor) in tensors.enumerated() {
            let values = try read(file, tensor.name, tensor.shape)
            #expect(values.allSatisfy { $0 == Float(index) }, "\(tensor.name)")
        }
    }
}

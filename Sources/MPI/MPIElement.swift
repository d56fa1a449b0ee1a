internal import CMPI

/// A number MPI can move and reduce (MPI 3.1, section 3.2.2).
package protocol MPIElement: BitwiseCopyable, Sendable {
    static var elementKind: ElementKind { get }
    static var zero: Self { get }
}

/// The C type behind an `MPIElement`.
package enum ElementKind: Sendable {
    case double, float, int32, int64, uint8

    var datatype: MPI_Datatype {
        switch self {
        case .double: cmpi_double()
        case .float: cmpi_float()
        case .int32: cmpi_int32()
        case .int64: cmpi_int64()
        case .uint8: cmpi_uint8()
        }
    }
}

extension Double: MPIElement { package static var elementKind: ElementKind { .double } }
extension Float: MPIElement { package static var elementKind: ElementKind { .float } }
extension Int32: MPIElement { package static var elementKind: ElementKind { .int32 } }
extension Int64: MPIElement { package static var elementKind: ElementKind { .int64 } }
extension UInt8: MPIElement { package static var elementKind: ElementKind { .uint8 } }

/// An operation that makes one number of the ranks' numbers (MPI 3.1, section 5.9.2).
package enum Reduction: Sendable {
    case sum, max, min

    var operation: MPI_Op {
        switch self {
        case .sum: cmpi_sum()
        case .max: cmpi_max()
        case .min: cmpi_min()
        }
    }
}

internal import CMPI

/// MPI, from its start to its end: made once, and ended by `finalize`.
///
/// No `deinit` frees or finalises anything: those calls wait for other ranks, and a rank whose error unwinds must wait for
/// nobody.
///
/// Neither `World` nor `Communicator` is `Sendable`: MPI is started for the funneled thread level, where only the
/// thread that started it may call it, and the compiler keeps it so.
package struct World: ~Copyable {
    /// Every process of the job.
    package let communicator: Communicator

    /// Starts MPI (MPI 3.1, section 12.4.3) with errors returned rather than fatal (section 8.3).
    /// - Throws: `MPIError` if MPI was already started, or gives less than the funneled thread level.
    package init() throws(MPIError) {
        var started: Int32 = 0
        try check(MPI_Initialized(&started), "MPI_Initialized")
        guard started == 0 else {
            throw MPIError(
                call: "MPI_Init_thread", code: cmpi_err_other(), text: "MPI was already started by this process")
        }
        var provided: Int32 = 0
        try check(MPI_Init_thread(nil, nil, cmpi_thread_funneled(), &provided), "MPI_Init_thread")
        let session = Session()
        try check(MPI_Comm_set_errhandler(cmpi_comm_world(), cmpi_errors_return()), "MPI_Comm_set_errhandler")
        guard provided >= cmpi_thread_funneled() else {
            throw MPIError(
                call: "MPI_Init_thread", code: cmpi_err_other(),
                text: "this MPI library gives thread level \(provided); funneled (\(cmpi_thread_funneled())) is needed")
        }
        communicator = try Communicator(handle: cmpi_comm_world(), session: session)
    }

    /// Collective. Frees every window and communicator that is left, then ends MPI (MPI 3.1, section 8.7). MPI may not be
    /// used afterwards.
    package func finalize() throws(MPIError) {
        let session = communicator.session
        try session.checkIntact()
        try session.free(from: 0)
        try check(MPI_Finalize(), "MPI_Finalize")
    }

    /// Ends every process of the job at once (MPI 3.1, section 8.7); mpirun exits with `code`.
    package static func abort(_ code: Int32) -> Never {
        MPI_Abort(cmpi_comm_world(), code)
        exitNow(code)
    }

    /// Seconds since some moment of the past, this process's own clock (MPI 3.1, section 8.6).
    package static func wallTime() -> Double { MPI_Wtime() }
}

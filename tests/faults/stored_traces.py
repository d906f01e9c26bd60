"""What the runs of a study hold, whatever they cost."""

from amb.study.study import Study


def stored_traces(study: Study) -> dict[str, tuple]:  # type: ignore[type-arg]
    """Endings and traces by run id, to be compared bit for bit."""
    return {
        record.plan.run_id: (
            record.status,
            record.queries,
            record.recommended,
            record.final,
            trace.candidates.tobytes(),
            trace.values.tobytes(),
            trace.batches.tobytes(),
        )
        for record, trace in study.records()
    }

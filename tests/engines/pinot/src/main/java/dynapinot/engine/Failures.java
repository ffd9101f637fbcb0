package dynapinot.engine;

import org.apache.pinot.common.metrics.ServerMeter;
import org.apache.pinot.common.metrics.ServerMetrics;
import org.apache.pinot.spi.metrics.NoopPinotMetricsRegistry;

/**
 * Counts what Pinot tells only as a metric: a value that an index did not take, in a row that was indexed all the same
 * (MutableSegmentImpl.recordIndexingError).
 */
final class Failures extends ServerMetrics {
  static final Failures METRICS = new Failures();

  private int _indexing;

  private Failures() {
    super(new NoopPinotMetricsRegistry());
  }

  /** Tells how many there were since the last call. */
  int take() {
    int count = _indexing;
    _indexing = 0;
    return count;
  }

  @Override
  public void addMeteredTableValue(String table, ServerMeter meter, long count) {
    if (meter == ServerMeter.INDEXING_FAILURES) {
      _indexing += (int) count;
    }
  }
}

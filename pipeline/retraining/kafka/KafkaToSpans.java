import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.time.Duration;
import java.time.LocalDate;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.fs.FileStatus;
import org.apache.flink.core.fs.FileSystem;
import org.apache.flink.core.fs.Path;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.state.StateInitializationContext;
import org.apache.flink.runtime.state.StateSnapshotContext;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.filesystem.BucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.OutputFileConfig;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.SimpleVersionedStringSerializer;
import org.apache.flink.streaming.api.functions.sink.filesystem.rollingpolicies.OnCheckpointRollingPolicy;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.watermark.Watermark;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Copies the events of a Kafka topic to spans, each event to exactly one.
 *
 * <p>Arguments: a file of Kafka's client properties, the topic, the folder of the spans. An event
 * is copied as it is to a line of {@code dt=DAY/part-*.jsonl}, by its record's time in UTC. The
 * files of a checkpoint appear under these names when it is complete. A day gets its
 * {@code _SUCCESS} when it is over and all of its events are in such files.
 */
public class KafkaToSpans {
  /** A day is over when events of this much later have arrived from every partition. */
  private static final Duration LATENESS = Duration.ofHours(1);

  /** A partition without events for so long is not waited for. */
  private static final Duration IDLE = Duration.ofMinutes(1);

  /** Unless Flink's configuration has an interval; each checkpoint begins new files. */
  private static final Duration CHECKPOINTS = Duration.ofMinutes(5);

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 3) {
      throw new IllegalArgumentException("arguments: CLIENT.properties TOPIC SPANS");
    }
    Properties client = new Properties();
    try (InputStream file = Files.newInputStream(java.nio.file.Path.of(arguments[0]))) {
      client.load(file);
    }
    client.putIfAbsent("isolation.level", "read_committed");
    KafkaSource<byte[]> source =
        KafkaSource.<byte[]>builder()
            .setProperties(client)
            .setTopics(arguments[1])
            .setStartingOffsets(OffsetsInitializer.earliest())
            .setDeserializer(new Values())
            .build();
    WatermarkStrategy<byte[]> times =
        WatermarkStrategy.<byte[]>forBoundedOutOfOrderness(LATENESS)
            // A producer whose clock is ahead must not end a day for all others.
            .withTimestampAssigner((event, time) -> Math.min(time, System.currentTimeMillis()))
            .withIdleness(IDLE);
    Path spans = new Path(arguments[2]);
    FileSink<Tuple2<Long, byte[]>> sink =
        FileSink.<Tuple2<Long, byte[]>>forRowFormat(
                spans,
                (event, file) -> {
                  file.write(event.f1);
                  file.write('\n');
                })
            .withBucketAssigner(new Folders())
            .withRollingPolicy(OnCheckpointRollingPolicy.build())
            .withOutputFileConfig(OutputFileConfig.builder().withPartSuffix(".jsonl").build())
            .build();

    StreamExecutionEnvironment environment = StreamExecutionEnvironment.getExecutionEnvironment();
    if (!environment.getCheckpointConfig().isCheckpointingEnabled()) {
      environment.enableCheckpointing(CHECKPOINTS.toMillis());
    }
    environment
        .fromSource(source, times, "events").uid("events")
        // One instance, to which the watermark of all partitions comes.
        .transform("days", Types.TUPLE(Types.LONG, Types.PRIMITIVE_ARRAY(Types.BYTE)),
            new Days(spans)).uid("days").forceNonParallel()
        .sinkTo(sink).uid("spans");
    environment.execute("kafka-to-spans");
  }

  private static String folder(long day) {
    return "dt=" + LocalDate.ofEpochDay(day);
  }

  /** Bytes in the files of a folder that a checkpoint has finished; 0 while the sink finishes some. */
  private static long finishedBytes(FileSystem files, Path folder) throws IOException {
    if (!files.exists(folder)) {
      return 0;
    }
    long bytes = 0;
    try {
      for (FileStatus file : files.listStatus(folder)) {
        if (file.getPath().getName().startsWith("part-")) {
          bytes += file.getLen();
        }
      }
    } catch (FileNotFoundException error) {
      return 0; // The sink renamed a file while it was listed: not all are finished.
    }
    return bytes;
  }

  /** The values of records. One without a value is a deletion in a compacted topic, no event. */
  private static class Values implements KafkaRecordDeserializationSchema<byte[]> {
    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<byte[]> events) {
      if (record.value() != null) {
        events.collect(record.value());
      }
    }

    @Override
    public TypeInformation<byte[]> getProducedType() {
      return PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
    }
  }

  /** The folder of an event, by the day that it was given. */
  private static class Folders implements BucketAssigner<Tuple2<Long, byte[]>, String> {
    @Override
    public String getBucketId(Tuple2<Long, byte[]> event, Context context) {
      return folder(event.f0);
    }

    @Override
    public SimpleVersionedSerializer<String> getSerializer() {
      return SimpleVersionedStringSerializer.INSTANCE;
    }
  }

  /**
   * Gives each event its day, and each complete day its {@code _SUCCESS}.
   *
   * <p>A complete span must not change. So an event that arrives after the end of its day belongs to
   * the oldest day that is not over. Checkpoints hold which one this is, since a restarted job
   * begins without watermark.
   */
  private static class Days extends AbstractStreamOperator<Tuple2<Long, byte[]>>
      implements OneInputStreamOperator<byte[], Tuple2<Long, byte[]>> {
    private final String spans;

    /** Days since 1970 of the oldest day that is not over. */
    private long firstOpen = Long.MIN_VALUE;

    /** For each day without {@code _SUCCESS}, the bytes of its lines. */
    private final TreeMap<Long, Long> bytes = new TreeMap<>();

    /** {@code firstOpen} of checkpoints in progress. */
    private final TreeMap<Long, Long> checkpoints = new TreeMap<>();

    private transient ListState<Long> savedFirstOpen;
    private transient ListState<Tuple2<Long, Long>> savedBytes;

    Days(Path spans) {
      this.spans = spans.toString();
    }

    @Override
    public void processElement(StreamRecord<byte[]> event) {
      long day = Math.max(firstOpen, dayOf(event.getTimestamp()));
      bytes.merge(day, event.getValue().length + 1L, Long::sum);
      output.collect(new StreamRecord<>(Tuple2.of(day, event.getValue()), event.getTimestamp()));
    }

    @Override
    public void processWatermark(Watermark mark) throws Exception {
      // `flink stop --drain` sends the last one; the next start goes on with these days.
      if (!mark.equals(Watermark.MAX_WATERMARK)) {
        firstOpen = Math.max(firstOpen, dayOf(mark.getTimestamp()));
      }
      super.processWatermark(mark);
    }

    @Override
    public void initializeState(StateInitializationContext context) throws Exception {
      savedFirstOpen = context.getOperatorStateStore()
          .getListState(new ListStateDescriptor<>("first-open", Types.LONG));
      savedBytes = context.getOperatorStateStore()
          .getListState(new ListStateDescriptor<>("bytes", Types.TUPLE(Types.LONG, Types.LONG)));
      if (!context.isRestored()) {
        rejectFinishedFiles();
      }
      for (long day : savedFirstOpen.get()) {
        firstOpen = day;
      }
      for (Tuple2<Long, Long> day : savedBytes.get()) {
        bytes.put(day.f0, day.f1);
      }
    }

    @Override
    public void snapshotState(StateSnapshotContext context) throws Exception {
      savedFirstOpen.clear();
      savedFirstOpen.add(firstOpen);
      savedBytes.clear();
      for (Map.Entry<Long, Long> day : bytes.entrySet()) {
        savedBytes.add(Tuple2.of(day.getKey(), day.getValue()));
      }
      checkpoints.put(context.getCheckpointId(), firstOpen);
    }

    /**
     * Marks the days that were over at a checkpoint, if the sink has finished all of their files.
     *
     * <p>The order of the sink and this operator is not defined; what is not finished yet is
     * marked after a later checkpoint. Days that ended after the checkpoint wait as well: a restart
     * from it would open them again.
     */
    @Override
    public void notifyCheckpointComplete(long checkpoint) throws Exception {
      Long end = checkpoints.remove(checkpoint);
      checkpoints.headMap(checkpoint).clear();
      if (end == null) {
        return;
      }
      FileSystem files = new Path(spans).getFileSystem();
      for (Map.Entry<Long, Long> day : new TreeMap<>(bytes.headMap(end)).entrySet()) {
        Path folder = new Path(spans, folder(day.getKey()));
        if (finishedBytes(files, folder) == day.getValue()) {
          files.create(new Path(folder, "_SUCCESS"), FileSystem.WriteMode.OVERWRITE).close();
          bytes.remove(day.getKey());
        }
      }
    }

    /** Without state, the job would copy the whole topic again. */
    private void rejectFinishedFiles() throws IOException {
      FileSystem files = new Path(spans).getFileSystem();
      if (!files.exists(new Path(spans))) {
        return;
      }
      for (FileStatus folder : files.listStatus(new Path(spans))) {
        if (folder.getPath().getName().startsWith("dt=")
            && finishedBytes(files, folder.getPath()) > 0) {
          throw new SuppressRestartsException(new IllegalStateException(
              folder.getPath() + " was written by an earlier job. Continue it with flink run"
                  + " --fromSavepoint and its last savepoint or checkpoint, or choose a new folder."));
        }
      }
    }

    private static long dayOf(long time) {
      return Math.floorDiv(time, Duration.ofDays(1).toMillis());
    }
  }
}

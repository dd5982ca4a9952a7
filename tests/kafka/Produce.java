import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends each line "PARTITION MILLISECONDS VALUE" to a topic, and fails if one is not stored. */
class Produce {
  public static void main(String[] arguments) throws Exception {
    Map<String, Object> settings = Map.of("bootstrap.servers", arguments[0]);
    StringSerializer text = new StringSerializer();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    List<Future<?>> sent = new ArrayList<>();
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, text, text)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] parts = line.split(" ", 3);
        int partition = Integer.parseInt(parts[0]);
        long time = Long.parseLong(parts[1]);
        sent.add(producer.send(new ProducerRecord<>(arguments[1], partition, time, null, parts[2])));
      }
      producer.flush();
      for (Future<?> record : sent) {
        record.get();
      }
    }
  }
}
